//! Telnet commands in a stream of text: recognised, to be skipped. We offer and answer nothing.
//!
//! ```text
//! IAC (WILL|WONT|DO|DONT) option     three bytes
//! IAC SB ... IAC SE                  a subnegotiation
//! IAC IAC                            a literal 0xFF
//! IAC other                          two bytes
//! ```

/// "Interpret as command", and a byte that UTF-8 never contains.
pub const IAC: u8 = 0xff;

/// Where in a command the stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telnet {
    Data,
    Iac,
    Option,
    /// So many bytes of a subnegotiation went by.
    Sub(u16),
    SubIac(u16),
}

/// What the byte that was given to [`Telnet::skip`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Part of a command: skip it.
    Command,
    /// The IAC before was no command but data, and so is this byte.
    DataBefore,
    /// This byte is a literal 0xFF.
    DataHere,
}

impl Telnet {
    /// Takes the next byte; must not be called in [`Telnet::Data`].
    pub fn skip(&mut self, byte: u8) -> Meaning {
        let (next, meaning) = match (*self, byte) {
            (Telnet::Data, _) => unreachable!("the caller looked"),
            (Telnet::Iac, IAC) => (Telnet::Data, Meaning::DataHere),
            (Telnet::Iac, SB) => (Telnet::Sub(0), Meaning::Command),
            (Telnet::Iac, WILL..=DONT) => (Telnet::Option, Meaning::Command),
            (Telnet::Iac, COMMAND_MIN..) => (Telnet::Data, Meaning::Command),
            (Telnet::Iac, _) => (Telnet::Data, Meaning::DataBefore),
            (Telnet::Option, _) => (Telnet::Data, Meaning::Command),
            (Telnet::Sub(SUBNEGOTIATION_BYTES_MAX..), _) => (Telnet::Data, Meaning::Command),
            (Telnet::Sub(bytes), IAC) => (Telnet::SubIac(bytes), Meaning::Command),
            (Telnet::Sub(bytes), _) => (Telnet::Sub(bytes + 1), Meaning::Command),
            (Telnet::SubIac(_), SE) => (Telnet::Data, Meaning::Command),
            (Telnet::SubIac(bytes), _) => (Telnet::Sub(bytes + 1), Meaning::Command),
        };
        *self = next;
        meaning
    }
}

/// The lowest byte that is a command after IAC (end of file, of RFC 1184). Below it nobody speaks telnet.
const COMMAND_MIN: u8 = 236;
const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const DONT: u8 = 254;
/// Real ones (window size, terminal type, environment) are shorter; one without end must not swallow
/// everything that is ever typed.
const SUBNEGOTIATION_BYTES_MAX: u16 = 1024;
