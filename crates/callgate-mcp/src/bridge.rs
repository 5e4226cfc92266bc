//! Between the eras: what a message of one is in the other. Pure; who waits for whom is the gateway's business.
//!
//! What needs no change keeps its bytes, and what nobody here knows travels on.

pub mod down;
mod members;
pub mod up;
