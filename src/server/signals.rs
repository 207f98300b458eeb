//! The operator's signals, brought into the reactor: stop, stop at once, reload.

use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Reload,
    Stop,
}

/// Watches for signals from now on; the reactor is woken for each.
pub fn watch(waker: Arc<Waker>) -> io::Result<Receiver<Signal>> {
    let (sender, receiver) = unbounded();
    start(sender, waker)?;
    Ok(receiver)
}

#[cfg(unix)]
fn start(sender: Sender<Signal>, waker: Arc<Waker>) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let watch = move || {
        let mut stops = 0;
        for signal in signals.forever() {
            let signal = if signal == SIGHUP { Signal::Reload } else { Signal::Stop };
            stops += u32::from(signal == Signal::Stop);
            if stops > 1 {
                // Whatever the reactor is at: the operator does not want to wait for it.
                std::process::exit(1);
            }
            if sender.send(signal).is_err() || waker.wake().is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).map(drop)
}

#[cfg(not(unix))]
fn start(sender: Sender<Signal>, waker: Arc<Waker>) -> io::Result<()> {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    let stop = Arc::new(AtomicBool::new(false));
    // The second Ctrl-C ends the process from within the handler; registered first, so that the
    // first one only arms it.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let watch = move || {
        // Here handlers can only set flags.
        while !stop.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(100));
        }
        // Either fails only when the reactor is gone.
        let _ = sender.send(Signal::Stop).map(|()| waker.wake());
    };
    std::thread::Builder::new().name("signals".into()).spawn(watch).map(drop)
}
