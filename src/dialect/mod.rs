//! Bytes to commands, events to bytes. A dialect knows no rooms and no sockets.
