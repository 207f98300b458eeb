//! The server's log: where the simulation learns why a connection was closed, and what is printed when
//! a seed is replayed.

use std::cell::RefCell;
use std::sync::{Arc, Once, OnceLock};

use rustls::ServerConfig;
use rustls::server::ResolvesServerCertUsingSni;

/// Every simulation runs on one thread, and has that thread's journal to itself.
pub fn open(trace: bool) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Journal).expect("the tests have no other logger");
        log::set_max_level(if trace { log::LevelFilter::Trace } else { log::LevelFilter::Info });
    });
    CLOSED.take();
}

/// Connections that were closed since the last call: the server's name for them, and why.
pub fn closed() -> Vec<(String, String)> {
    CLOSED.take()
}

/// Nobody speaks TLS here; the engine wants a configuration all the same.
pub fn no_tls() -> Arc<ServerConfig> {
    static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
    let make = || {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("the versions are supported").with_no_client_auth();
        Arc::new(builder.with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new())))
    };
    CONFIG.get_or_init(make).clone()
}

struct Journal;

impl log::Log for Journal {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if log::max_level() == log::LevelFilter::Trace && record.target() != "rustls" {
            println!("{}", record.args());
        }
        if !record.target().starts_with("sottovoce::engine") {
            return;
        }
        let line = record.args().to_string();
        if let Some((name, reason)) = line.split_once(" closed: ") {
            CLOSED.with_borrow_mut(|closed| closed.push((name.to_string(), reason.to_string())));
        }
    }

    fn flush(&self) {}
}

thread_local! {
    static CLOSED: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
}
