//! JSON lines, for programs: one object a line, in both directions.
//!
//! ```text
//! {"id":1,"cmd":"join","room":"lobby"}          a request
//! {"re":1,"ok":{"room":"lobby",...}}            its one reply
//! {"re":1,"err":{"code":"banned","text":"..."}} or this
//! {"ev":"message","room":"lobby",...}           everything else
//! ```
//!
//! Names of rooms carry no `#`, times are RFC 3339 in UTC, unknown fields are ignored. What a field
//! may be left out for means: not there, empty, or `false`.

pub mod decode;
mod devices;
pub mod encode;
mod fields;
mod nested;
mod object;
mod reply;

/// The version of this dialect, which `hello` asks for.
const VERSION: u64 = 1;
