//! How questions about channels and their answers are put on a stream: one frame of [`proto::wire`] each way, ended by
//! closing that direction, read up to its limit and no further.

use std::io;

use futures::prelude::*;
use libp2p::{StreamProtocol, request_response};
use proto::{
    call::{Answer, MAX_ANSWER_BYTES, MAX_QUESTION_BYTES, Question},
    wire::{self, DecodeError},
};

/// The codec; it has no state.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChannelCodec;

/// Reads all that comes, but never more than `limit` bytes and one.
async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T, limit: usize) -> io::Result<Vec<u8>> {
    let mut frame = Vec::new();
    io.take(limit as u64 + 1).read_to_end(&mut frame).await?;
    Ok(frame)
}

/// A decoding error as the io::Error that request-response carries; [`decode_error`] gets it out again.
fn invalid(error: DecodeError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The decoding error inside an io::Error, if that is what it is: the peer's fault, unlike a broken stream.
pub fn decode_error(error: &io::Error) -> Option<&DecodeError> {
    error.get_ref()?.downcast_ref()
}

impl request_response::Codec for ChannelCodec {
    type Protocol = StreamProtocol;
    type Request = Question;
    type Response = Answer;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Question> {
        let frame = read_frame(io, MAX_QUESTION_BYTES).await?;
        wire::decode::<Question, MAX_QUESTION_BYTES>(&frame).map_err(invalid)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Answer> {
        let frame = read_frame(io, MAX_ANSWER_BYTES).await?;
        wire::decode::<Answer, MAX_ANSWER_BYTES>(&frame).map_err(invalid)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        question: Question,
    ) -> io::Result<()> {
        io.write_all(&wire::encode(&question)).await?;
        io.close().await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        answer: Answer,
    ) -> io::Result<()> {
        io.write_all(&wire::encode(&answer)).await?;
        io.close().await
    }
}
