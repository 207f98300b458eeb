//! The server process around the engine: start, stop, listeners, signals, the mio poll.

pub mod certificate;
pub mod command;
pub mod data_dir;
mod listeners;
pub mod log;
mod reactor;
mod signals;
mod sockets;
mod start_error;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use mio::Poll;

use crate::config::{self, Config};
use crate::engine::Engine;
use crate::engine::settings::{Plaintext, Settings};
use crate::hub::Hub;
use crate::server::data_dir::DataDir;
use crate::server::listeners::Listeners;
use crate::server::log::Logging;
use crate::server::reactor::{Clock, Reactor, Reloaded};
use crate::server::sockets::Sockets;
use crate::store::{Durability, Store, StoreOptions};
use crate::work::files::scan;
use crate::work::{LaneSettings, Lanes};

pub use crate::server::start_error::StartError;

/// Serves until it is told to stop.
pub fn run(config: Config) -> Result<(), StartError> {
    let data = DataDir::open(&config.data)?;
    let logging = Arc::new(Logging::start(&config.log, data.path())?);
    let outcome = serve(config, data.path(), &logging);
    if let Err(error) = &outcome {
        ::log::error!("{error}");
    }
    outcome
}

fn serve(config: Config, data: &Path, logging: &Arc<Logging>) -> Result<(), StartError> {
    let settings = engine_settings(&config, data)?;
    let durability = match config.history.durability {
        config::Durability::Disk => Durability::Disk,
        config::Durability::Os => Durability::Os,
    };
    let (mut store, mut kept) = Store::open(data, StoreOptions { durability })?;
    let clock = Clock::start();
    let files = data_dir::files(data)?;
    let failed = |reason: String| StartError::Files { path: files.clone(), reason };
    let found = scan::scan(&files, std::mem::take(&mut kept.files), clock.now().wall)
        .map_err(|error| failed(error.to_string()))?;
    store.forget_files(&found.lost).map_err(failed)?;
    kept.files = found.files;
    let hub = Hub::new(config.settings(), kept, clock.now());
    let poll = Poll::new().map_err(StartError::System)?;
    let waker = reactor::waker(&poll).map_err(StartError::System)?;
    let lanes = {
        let waker = waker.clone();
        // Waking fails only when the reactor is gone.
        Lanes::start(lane_settings(&config), store, &files, move || drop(waker.wake()))
    };
    let idle = config.limits.idle_timeout;
    let listeners = Listeners::bind(&config.listen, config.listen_is_default, idle, poll.registry())?;
    let signals = signals::watch(waker).map_err(StartError::System)?;
    announce(listeners.addresses()).map_err(StartError::System)?;
    let reload = {
        let (config, data, logging) = (config.clone(), data.to_path_buf(), logging.clone());
        Box::new(move || reload(&config, &data, &logging).map_err(|error| error.to_string()))
    };
    let engine = Engine::new(hub, settings);
    let sockets = Sockets::default();
    let reactor =
        Reactor { poll, engine, listeners, sockets, lanes, signals, clock, reload, config, resting: false };
    reactor.run().map_err(StartError::System)
}

/// One line for each listener on stdout: scripts wait for it.
fn announce(addresses: impl Iterator<Item = SocketAddr>) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for address in addresses {
        writeln!(stdout, "sottod {} listening on {address}", env!("CARGO_PKG_VERSION"))?;
        ::log::info!("listening on {address}");
    }
    stdout.flush()
}

/// Rereads everything that may change while running; on an error nothing has changed.
fn reload(config: &Config, data: &Path, logging: &Logging) -> Result<Reloaded, StartError> {
    let config = config.reload()?;
    let engine = engine_settings(&config, data)?;
    logging.set_level(config.log.level);
    logging.reopen();
    Ok(Reloaded { config, engine })
}

fn engine_settings(config: &Config, data: &Path) -> Result<Settings, StartError> {
    let certificate = certificate::load_or_make(data, &config.tls)?;
    let tls = certificate::server_config(&certificate)?;
    let plaintext = match config.tls.plaintext {
        config::Plaintext::Always => Plaintext::Always,
        config::Plaintext::Loopback => Plaintext::Loopback,
        config::Plaintext::Never => Plaintext::Never,
    };
    Ok(Settings { banner_delay: config.banner_delay, plaintext, tls })
}

fn lane_settings(config: &Config) -> LaneSettings {
    LaneSettings {
        password_threads: config.workers.thread_count(),
        password_jobs_max: config.workers.password_jobs as usize,
        store_jobs_max: config.workers.store_jobs as usize,
        file_threads: config.files.thread_count(),
        batch_max: STORE_BATCH_MAX,
    }
}

/// Jobs in one transaction: enough that a commit's cost is shared, and few enough that the first
/// does not wait long for the last.
const STORE_BATCH_MAX: usize = 1024;
