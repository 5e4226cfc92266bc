//! A legacy client in front of a modern server: sessions of 2025-11-25 and earlier, made of stateless requests of
//! 2026-07-28.

mod client;
mod input;
mod opening;
mod reply;
mod request;
mod subscription;

pub use client::{LegacyClient, LogLevel, Need};
pub use input::{Answers, InputRequest, InputRequired, NoAnswer, answer};
pub use opening::{DiscoverError, Discovered, Offers};
pub use reply::{Reply, Unbridged, reply};
pub use request::{Leg, discover, request};
pub use subscription::{Filter, Heard, heard};
