//! Replies about files.

use serde::Deserialize;

use crate::client::wire::{Clean, Time};

/// The reply to `upload`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Upload {
    pub file: Clean,
    pub size: u64,
    pub expires: Time,
}

/// The reply to `upload-status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UploadStatus {
    pub file: Clean,
    pub size: u64,
    pub stored: u64,
    pub complete: bool,
}

/// The reply to `files`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Page {
    pub files: Vec<Line>,
    pub used: u64,
    pub quota: Option<u64>,
    pub file_bytes: Option<u64>,
    pub more: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Line {
    pub file: Clean,
    pub size: u64,
    pub stored: u64,
    pub complete: bool,
    pub created: Time,
    pub expires: Time,
    pub readers: u32,
    pub settled: u32,
}
