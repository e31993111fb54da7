//! Questions and answers as bytes on a stream, each ended by closing its direction.

use std::io;

use futures::prelude::*;
use libp2p::{StreamProtocol, request_response};

/// The codec of one protocol. It looks into nothing.
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    /// Bytes of a question at most.
    pub question: usize,
    /// Bytes of an answer at most.
    pub answer: usize,
}

/// Reads all that comes, up to a limit: what is longer comes out cut, and does not decode.
async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(limit as u64).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    io.write_all(bytes).await?;
    io.close().await
}

impl request_response::Codec for Bytes {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(io, self.question).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read(io, self.answer).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        question: Vec<u8>,
    ) -> io::Result<()> {
        write(io, &question).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        answer: Vec<u8>,
    ) -> io::Result<()> {
        write(io, &answer).await
    }
}
