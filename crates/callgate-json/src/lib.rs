//! Strict JSON (RFC 8259): every byte accounted for, spans kept, numbers exact.
//!
//! The one reader for everything that a policy judges: policy documents, JSON-RPC envelopes and the arguments of a
//! call. Two readers that disagree about one byte are a way past a gateway, so there is only this one. It refuses
//! what other readers paper over: duplicate keys (also escaped ones), lone surrogates, a byte order mark, invalid
//! UTF-8, trailing data, and anything deeper or larger than its [`Limits`].
//!
//! Values borrow from the input and know their [`Span`], so a caller can forward the original bytes of any part.

mod canonical;
mod decimal;
mod error;
mod parse;
mod pointer;
mod value;
pub mod visible;

pub use canonical::{canonical, write_string};
pub use decimal::{Decimal, DecimalError};
pub use error::{Error, ErrorKind};
pub use parse::{Limits, parse, parse_reporting};
pub use pointer::{Pointer, escape_token, line_column};
pub use value::{Kind, Member, Number, Span, Value};
