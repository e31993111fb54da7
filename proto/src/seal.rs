//! Bytes that one key alone can open: HPKE (RFC 9180) in its base mode, with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
//! AES-256-GCM.
//!
//! Each sealing makes a key pair of its own, so that nothing links two sealed texts, and whoever seals cannot open what it sealed
//! once it has forgotten the plaintext. HPKE's base mode says nothing about who sealed: who wrote something is said, signed, inside.
//!
//! What this gives and what not: a secret key that falls into wrong hands opens everything ever sealed for it. Keys are therefore
//! changed often and forgotten ([`crate::direct`]).

use std::fmt;

use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::{Aead, AesGcm256},
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    single_shot_open, single_shot_seal_with_rng,
};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ids::tagged_hash;

/// Bytes that sealing adds: the tag of AES-GCM.
pub const TAG_BYTES: usize = 16;

/// A key for which anybody can seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SealKey(
    /// An X25519 public key.
    pub [u8; 32],
);

/// The secret key that opens. Never shown.
#[derive(Clone)]
pub struct OpenKey(Zeroizing<[u8; 32]>);

/// Which of its owner's keys something is sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyId(
    /// The first bytes of a hash of the key.
    pub [u8; 8],
);

/// A sealed text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The public key that was made for this text.
    pub encapsulated: [u8; 32],
    /// The text, encrypted and authenticated.
    #[serde(with = "serde_bytes")]
    pub ciphertext: Vec<u8>,
}

/// The key is no key: nothing can be sealed for it. Its owner's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what should be an encryption key is none")]
pub struct InvalidKey;

/// Not sealed for this key and this purpose, or changed since. The sender's fault, or that of whoever carried it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot be opened with this key")]
pub struct CannotOpen;

impl OpenKey {
    /// A new key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let (secret, _) = X25519HkdfSha256::gen_keypair_with_rng(rng);
        Self(Zeroizing::new(secret.to_bytes().into()))
    }

    /// A key from the bytes that [`OpenKey::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key as bytes, to be kept where nobody else can read.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }

    /// The key for which others seal.
    pub fn seal_key(&self) -> SealKey {
        // Any 32 bytes are a secret key of X25519.
        let public = secret(self).map(|secret| X25519HkdfSha256::sk_to_pk(&secret).to_bytes().into());
        SealKey(public.unwrap_or_default())
    }

    /// Opens what was sealed for this key, with the same `info` and `bound` bytes.
    ///
    /// # Errors
    /// [`CannotOpen`].
    pub fn open(&self, info: &[u8], bound: &[u8], sealed: &Sealed) -> Result<Vec<u8>, CannotOpen> {
        open_with::<AesGcm256>(self, info, bound, sealed)
    }
}

impl fmt::Debug for OpenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenKey(of {:?})", self.seal_key().id())
    }
}

impl SealKey {
    /// Its short name.
    pub fn id(&self) -> KeyId {
        let hash = tagged_hash("starling/seal-key/1", &[&self.0]);
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        KeyId(id)
    }

    /// Seals a text for this key. It opens only with the same `info`, which says what it is for, and the same `bound` bytes, which travel
    /// beside it.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn seal(
        &self,
        info: &[u8],
        bound: &[u8],
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Sealed, InvalidKey> {
        seal_with::<AesGcm256>(self, info, bound, plaintext, rng)
    }
}

fn seal_with<A: Aead>(
    key: &SealKey,
    info: &[u8],
    bound: &[u8],
    plaintext: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Sealed, InvalidKey> {
    let key = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&key.0).map_err(|_| InvalidKey)?;
    let sealed =
        single_shot_seal_with_rng::<A, HkdfSha256, X25519HkdfSha256>(&OpModeS::Base, &key, info, plaintext, bound, rng);
    let (encapsulated, ciphertext) = sealed.map_err(|_| InvalidKey)?;
    Ok(Sealed { encapsulated: encapsulated.to_bytes().into(), ciphertext })
}

fn secret(key: &OpenKey) -> Option<<X25519HkdfSha256 as Kem>::PrivateKey> {
    <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&*key.0).ok()
}

fn open_with<A: Aead>(key: &OpenKey, info: &[u8], bound: &[u8], sealed: &Sealed) -> Result<Vec<u8>, CannotOpen> {
    let secret = secret(key).ok_or(CannotOpen)?;
    let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(&sealed.encapsulated);
    single_shot_open::<A, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &encapsulated.map_err(|_| CannotOpen)?,
        info,
        &sealed.ciphertext,
        bound,
    )
    .map_err(|_| CannotOpen)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hpke::aead::AesGcm128;
    use proptest::prelude::*;
    use rand::{SeedableRng, TryCryptoRng, TryRng};
    use rand_chacha::ChaCha20Rng;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    fn key(seed: u64) -> OpenKey {
        OpenKey::generate(&mut ChaCha20Rng::seed_from_u64(seed))
    }

    /// Gives bytes that are chosen, once.
    struct Chosen([u8; 32]);

    impl TryRng for Chosen {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            unreachable!("a key is made of 32 bytes at once")
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unreachable!("a key is made of 32 bytes at once")
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            bytes.copy_from_slice(&self.0);
            Ok(())
        }
    }

    impl TryCryptoRng for Chosen {}

    /// RFC 9180, appendix A.1.1, first text: the same key exchange and derivation, with the cipher for which the RFC has vectors.
    #[test]
    fn the_vector_of_the_rfc_opens_and_is_what_sealing_gives() {
        let secret = OpenKey::from_bytes(bytes("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"));
        assert_eq!(secret.seal_key().0, bytes("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"));
        let sealed = Sealed {
            encapsulated: bytes("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"),
            ciphertext: hex::decode(
                "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
            )
            .unwrap(),
        };
        let info = hex::decode("4f6465206f6e2061204772656369616e2055726e").unwrap();
        let opened = open_with::<AesGcm128>(&secret, &info, b"Count-0", &sealed).unwrap();
        assert_eq!(opened, b"Beauty is truth, truth beauty");
        let mut made_of = Chosen(bytes("7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234"));
        let again = seal_with::<AesGcm128>(&secret.seal_key(), &info, b"Count-0", &opened, &mut made_of);
        assert_eq!(again, Ok(sealed));
    }

    #[test]
    fn what_is_no_key_is_refused_and_does_not_panic() {
        // The point of order one: every exchange with it gives zero, which RFC 9180 forbids.
        let rng = &mut ChaCha20Rng::seed_from_u64(1);
        assert_eq!(SealKey([0; 32]).seal(b"", b"", b"text", rng), Err(InvalidKey));
        let sealed = Sealed { encapsulated: [0; 32], ciphertext: vec![0; 40] };
        assert_eq!(key(1).open(b"", b"", &sealed), Err(CannotOpen));
    }

    #[test]
    fn a_secret_key_is_not_shown() {
        let key = key(3);
        let secret = hex::encode(*key.to_bytes());
        assert!(!format!("{key:?}").contains(&secret[..8]));
        assert_eq!(OpenKey::from_bytes(*key.to_bytes()).seal_key(), key.seal_key());
    }

    proptest! {
        #[test]
        fn a_sealed_text_opens_with_its_key_and_purpose_only(text in prop::collection::vec(any::<u8>(), 0..200), seed: u64) {
            let (mine, other) = (key(seed), key(seed.wrapping_add(1)));
            let rng = &mut ChaCha20Rng::seed_from_u64(seed ^ 7);
            let sealed = mine.seal_key().seal(b"info", b"bound", &text, rng).unwrap();
            let again = mine.seal_key().seal(b"info", b"bound", &text, rng).unwrap();
            prop_assert_ne!(&sealed, &again);
            prop_assert_eq!(sealed.ciphertext.len(), text.len() + TAG_BYTES);
            prop_assert_eq!(mine.open(b"info", b"bound", &sealed), Ok(text));
            prop_assert_eq!(other.open(b"info", b"bound", &sealed), Err(CannotOpen));
            prop_assert_eq!(mine.open(b"other", b"bound", &sealed), Err(CannotOpen));
            prop_assert_eq!(mine.open(b"info", b"other", &sealed), Err(CannotOpen));
        }

        #[test]
        fn a_changed_byte_is_noticed(at: prop::sample::Index, flip in 1u8..) {
            let mine = key(5);
            let mut sealed = mine.seal_key().seal(b"", b"", b"a text", &mut ChaCha20Rng::seed_from_u64(6)).unwrap();
            let whole = sealed.encapsulated.len() + sealed.ciphertext.len();
            match at.index(whole) {
                // X25519 ignores the highest bit of a public key, HPKE's key schedule does not.
                index @ 0..32 => sealed.encapsulated[index] ^= flip,
                index => sealed.ciphertext[index - 32] ^= flip,
            }
            prop_assert_eq!(mine.open(b"", b"", &sealed), Err(CannotOpen));
        }
    }
}
