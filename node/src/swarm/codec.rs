//! How questions and their answers are put on a stream: one frame of [`proto::wire`] each way, ended by closing that direction,
//! read up to its limit and no further.

use std::{io, marker::PhantomData};

use futures::prelude::*;
use libp2p::{StreamProtocol, request_response};
use proto::{
    call, direct,
    transfer::message as share,
    wire::{self, DecodeError},
};
use serde::{Serialize, de::DeserializeOwned};

/// Questions and answers of one protocol, each of at most so many bytes.
#[derive(Debug)]
pub struct FrameCodec<Q, A, const MAX_Q: usize, const MAX_A: usize> {
    /// Bytes of the largest question that is kept while it is read.
    takes: usize,
    kinds: PhantomData<fn() -> (Q, A)>,
}

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

/// About shares.
pub type ShareCodec =
    FrameCodec<share::ShareQuestion, share::ShareAnswer, { share::MAX_QUESTION_BYTES }, { share::MAX_ANSWER_BYTES }>;

impl<Q, A, const MAX_Q: usize, const MAX_A: usize> Default for FrameCodec<Q, A, MAX_Q, MAX_A> {
    fn default() -> Self {
        Self { takes: MAX_Q, kinds: PhantomData }
    }
}

impl<Q, A, const MAX_Q: usize, const MAX_A: usize> FrameCodec<Q, A, MAX_Q, MAX_A> {
    /// One that hands up questions of at most so many bytes. Of a longer one it keeps nothing, and says how long it was: whoever asks in
    /// good faith can be answered.
    pub fn taking(bytes: usize) -> Self {
        Self { takes: bytes.min(MAX_Q), kinds: PhantomData }
    }
}

impl<Q, A, const MAX_Q: usize, const MAX_A: usize> Clone for FrameCodec<Q, A, MAX_Q, MAX_A> {
    fn clone(&self) -> Self {
        Self { takes: self.takes, kinds: PhantomData }
    }
}

/// Reads all that comes, but never more than `limit` bytes and one; keeps it if it is at most `kept` bytes.
///
/// # Errors
/// The length, in place of a frame that is longer than `kept`.
async fn read_frame<T: AsyncRead + Unpin + Send>(
    io: &mut T,
    kept: usize,
    limit: usize,
) -> io::Result<Result<Vec<u8>, DecodeError>> {
    let mut io = io.take(limit as u64 + 1);
    let mut frame = Vec::new();
    (&mut io).take(kept as u64 + 1).read_to_end(&mut frame).await?;
    if frame.len() <= kept {
        return Ok(Ok(frame));
    }
    let len = std::mem::take(&mut frame).len();
    let rest = futures::io::copy(io, &mut futures::io::sink()).await?;
    Ok(Err(DecodeError::TooLong { len: len.saturating_add(rest as usize), limit: kept }))
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
        let frame = read_frame(io, self.takes, MAX_Q).await?;
        Ok(frame.and_then(|frame| wire::decode::<Q, MAX_Q>(&frame)))
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Self::Response> {
        let frame = read_frame(io, MAX_A, MAX_A).await?;
        Ok(frame.and_then(|frame| wire::decode::<A, MAX_A>(&frame)))
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

#[cfg(test)]
mod tests {
    use libp2p::request_response::Codec;
    use proto::direct::{
        letter::EnvelopeId,
        message::{DirectQuestion, MAX_QUESTION_BYTES},
    };

    use super::*;
    use crate::swarm::behaviour::{DIRECT_PROTOCOL, PLAIN_QUESTION_BYTES};

    async fn read(takes: usize, frame: &[u8]) -> Result<DirectQuestion, DecodeError> {
        let mut io = futures::io::Cursor::new(frame);
        DirectCodec::taking(takes).read_request(&DIRECT_PROTOCOL, &mut io).await.unwrap()
    }

    fn discard(letters: usize) -> DirectQuestion {
        DirectQuestion::Discard(vec![EnvelopeId([7; 32]); letters])
    }

    #[tokio::test]
    async fn a_question_that_is_longer_than_what_is_taken_is_read_to_its_end_and_only_its_length_is_known() {
        let (small, large) = (discard(1_000), discard(10_000));
        let frame = wire::encode(&large);
        assert_eq!(read(MAX_QUESTION_BYTES, &frame).await, Ok(large));
        let too_long = DecodeError::TooLong { len: frame.len(), limit: PLAIN_QUESTION_BYTES };
        assert_eq!(read(PLAIN_QUESTION_BYTES, &frame).await, Err(too_long));
        assert_eq!(read(PLAIN_QUESTION_BYTES, &wire::encode(&small)).await, Ok(small));
    }

    #[tokio::test]
    async fn of_what_is_longer_than_any_question_no_more_is_read() {
        let endless = vec![7; 3 * MAX_QUESTION_BYTES];
        for takes in [PLAIN_QUESTION_BYTES, MAX_QUESTION_BYTES] {
            let too_long = DecodeError::TooLong { len: MAX_QUESTION_BYTES + 1, limit: takes };
            assert_eq!(read(takes, &endless).await, Err(too_long));
        }
    }
}
