//! What goes wrong with connections.

use std::io;

/// Why there is no connection, or none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The host is up, and nobody listens there.
    #[error("connection refused: start a node there, or dial another address")]
    Refused,
    /// No answer came.
    #[error("no answer in time: the host is down, or something on the way lets nothing pass; dial again later")]
    TimedOut,
    /// The other end, or this one, closed the connection.
    #[error("connection closed: dial again to talk on")]
    Closed,
    /// The other end does not know the connection any more.
    #[error("connection reset: the process at the other end is gone; dial again")]
    Reset,
    /// Nobody reads the stream any more.
    #[error("the other end reads no more of this stream: open another one")]
    Stopped,
    /// This end has said that there is no more.
    #[error("this stream was closed for writing: open another one")]
    Finished,
    /// The process that this belongs to was killed.
    #[error("this process is gone: make a new transport")]
    Gone,
    /// One transport listens once.
    #[error("this host listens already: remove its listener first")]
    AlreadyListening,
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Refused => io::ErrorKind::ConnectionRefused,
            Error::TimedOut => io::ErrorKind::TimedOut,
            Error::Closed => io::ErrorKind::ConnectionAborted,
            Error::Reset => io::ErrorKind::ConnectionReset,
            Error::Stopped | Error::Finished => io::ErrorKind::BrokenPipe,
            Error::Gone => io::ErrorKind::NotConnected,
            Error::AlreadyListening => io::ErrorKind::AddrInUse,
        };
        Self::new(kind, error)
    }
}
