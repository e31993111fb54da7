//! How questions about channels and their answers are put on a stream: one frame of [`proto::wire`] each way, ended by
//! closing that direction, read up to its limit and no further.

use std::io;

use futures::prelude::*;
use libp2p::{StreamProtocol, request_response};
use proto::{
    call::{Answer, MAX_ANSWER_BYTES, MAX_QUESTION_BYTES, Question},
    wire::{self, DecodeError},
};
use serde::Serialize;

/// The codec; it has no state.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChannelCodec;

/// Reads all that comes, but never more than `limit` bytes and one.
async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T, limit: usize) -> io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    io.take(limit as u64 + 1).read_to_end(&mut frame).await?;
    Ok(frame)
}

/// A frame to write. Only what was read can be undecodable.
fn frame<T: Serialize>(value: Result<T, DecodeError>) -> io::Result<Vec<u8>> {
    value.map(|value| wire::encode(&value)).map_err(io::Error::other)
}

impl request_response::Codec for ChannelCodec {
    type Protocol = StreamProtocol;
    // What does not decode is handed up as well: request-response tells nobody when reading a question fails, and whoever
    // sends garbage is to answer for it.
    type Request = Result<Question, DecodeError>;
    type Response = Result<Answer, DecodeError>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Self::Request> {
        let frame = read_frame(io, MAX_QUESTION_BYTES).await?;
        Ok(wire::decode::<Question, MAX_QUESTION_BYTES>(&frame))
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Self::Response> {
        let frame = read_frame(io, MAX_ANSWER_BYTES).await?;
        Ok(wire::decode::<Answer, MAX_ANSWER_BYTES>(&frame))
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        question: Self::Request,
    ) -> io::Result<()> {
        io.write_all(&frame(question)?).await?;
        io.close().await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        answer: Self::Response,
    ) -> io::Result<()> {
        io.write_all(&frame(answer)?).await?;
        io.close().await
    }
}
