//! The users' side of private messages: unlocking their keys, the commands about identities and
//! devices, and what people read about them. The state machine is [`private`](crate::client::private),
//! the disk [`vault`](crate::client::vault).

pub mod act;
pub mod begin;
pub mod errands;
pub mod files;
pub mod own;
pub mod tell;
pub mod unlock;
