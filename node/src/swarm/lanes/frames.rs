//! Frames on a lane: a length in two bytes, the higher first, and so many bytes of [`proto::wire`].

use std::io;

use futures::prelude::*;
use proto::{transfer::message::MAX_LANE_FRAME_BYTES, wire};
use serde::{Serialize, de::DeserializeOwned};

/// Reads a frame; `None` at the end of the stream.
///
/// # Errors
/// Those of the stream; [`io::ErrorKind::InvalidData`] for what is no such frame.
pub async fn read<T: DeserializeOwned + Serialize>(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let mut len = [0; 2];
    if io.read(&mut len[..1]).await? == 0 {
        return Ok(None);
    }
    io.read_exact(&mut len[1..]).await?;
    let len = usize::from(u16::from_be_bytes(len));
    let mut frame = [0; MAX_LANE_FRAME_BYTES];
    let frame = frame.get_mut(..len).ok_or(io::ErrorKind::InvalidData)?;
    io.read_exact(frame).await?;
    wire::decode::<T, MAX_LANE_FRAME_BYTES>(frame)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The bytes of a frame with its length.
pub fn encoded(value: &impl Serialize) -> Vec<u8> {
    let frame = wire::encode(value);
    // Frames of a lane are short: their types hold a few numbers and a hash.
    let mut bytes = (frame.len() as u16).to_be_bytes().to_vec();
    bytes.extend(frame);
    bytes
}

#[cfg(test)]
mod tests {
    use proto::{
        blob::BlobId,
        transfer::message::{Delivery, Order, Piece, Refusal, Reply},
    };

    use super::*;

    #[tokio::test]
    async fn frames_are_read_one_after_another_and_what_is_none_is_refused() {
        let ask = Order::Ask { number: u64::MAX, share: BlobId([255; 32]), piece: Piece::Manifest(u32::MAX) };
        let bytes = [encoded(&ask), encoded(&Order::TakeBack { number: 7 })].concat();
        let mut io = futures::io::Cursor::new(&bytes);
        assert_eq!(read(&mut io).await.unwrap(), Some(ask));
        assert_eq!(read(&mut io).await.unwrap(), Some(Order::TakeBack { number: 7 }));
        assert_eq!(read::<Order>(&mut io).await.unwrap(), None);
        let mut cut = futures::io::Cursor::new(&bytes[..bytes.len() - 1]);
        assert_eq!(read(&mut cut).await.unwrap(), Some(ask));
        assert_eq!(read::<Order>(&mut cut).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        for wrong in [&[0, 0][..], &[0xff; 200], &[0, 3, 1, 9, 9]] {
            let error = read::<Order>(&mut futures::io::Cursor::new(wrong)).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{wrong:?}");
        }
        let refused = Delivery { number: 1, reply: Reply::Refused(Refusal::Choked) };
        assert_eq!(read(&mut futures::io::Cursor::new(encoded(&refused))).await.unwrap(), Some(refused));
    }
}
