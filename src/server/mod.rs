//! server

pub mod certificate;
pub mod data_dir;
pub mod log;
