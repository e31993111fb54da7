//! How questions and their answers are put on a stream: one frame of [`proto::wire`] each way, ended by closing that direction,
//! read up to its limit and no further.

use std::{io, marker::PhantomData};

use futures::prelude::*;
use libp2p::{StreamProtocol, request_response};
use proto::{
    call, direct,
    wire::{self, DecodeError},
};
use serde::{Serialize, de::DeserializeOwned};

/// Questions and answers of one protocol, each of at most so many bytes. It has no state.
#[derive(Debug)]
pub struct FrameCodec<Q, A, const MAX_Q: usize, const MAX_A: usize>(PhantomData<fn() -> (Q, A)>);

/// About channels.
pub type ChannelCodec =
    FrameCodec<call::Question, call::Answer, { call::MAX_QUESTION_BYTES }, { call::MAX_ANSWER_BYTES }>;

/// About letters.
pub type DirectCodec = FrameCodec<
    direct::message::DirectQuestion,
    direct::message::DirectAnswer,
    { direct::message::MAX_QUESTION_BYTES },
    { direct::message::MAX_ANSWER_BYTES },
>;

impl<Q, A, const MAX_Q: usize, const MAX_A: usize> Default for FrameCodec<Q, A, MAX_Q, MAX_A> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Q, A, const MAX_Q: usize, const MAX_A: usize> Clone for FrameCodec<Q, A, MAX_Q, MAX_A> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

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

impl<Q, A, const MAX_Q: usize, const MAX_A: usize> request_response::Codec for FrameCodec<Q, A, MAX_Q, MAX_A>
where
    Q: Serialize + DeserializeOwned + Send + 'static,
    A: Serialize + DeserializeOwned + Send + 'static,
{
    type Protocol = StreamProtocol;
    // What does not decode is handed up as well: request-response tells nobody when reading a question fails, and whoever
    // sends garbage is to answer for it.
    type Request = Result<Q, DecodeError>;
    type Response = Result<A, DecodeError>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Self::Request> {
        let frame = read_frame(io, MAX_Q).await?;
        Ok(wire::decode::<Q, MAX_Q>(&frame))
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Self::Response> {
        let frame = read_frame(io, MAX_A).await?;
        Ok(wire::decode::<A, MAX_A>(&frame))
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
