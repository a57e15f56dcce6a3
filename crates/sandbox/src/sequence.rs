//! Ids, keys and passwords that look drawn at random and are counted: the same sequence in every run.

const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many opaque ids there are: 62 to the power of 7.
const OPAQUE_IDS: u128 = 62u128.pow(7);
/// Prime to 62, so that multiplying by it visits every id once.
const STRIDE: u128 = 2_654_435_761;
/// Where the sequence starts.
const OFFSET: u128 = 1_234_567_890_123;

/// The n-th opaque id of seven characters `[A-Za-z0-9]`; no two below 62 to the power of 7 are alike.
pub(crate) fn opaque_id(n: u64) -> String {
    let mut rest = (u128::from(n) * STRIDE + OFFSET) % OPAQUE_IDS;
    let mut id = String::with_capacity(7);
    for _ in 0..7 {
        id.push(char::from(ALPHANUMERIC[(rest % 62) as usize]));
        rest /= 62;
    }
    id
}

/// The n-th key in the form of a UUID.
pub(crate) fn uuid(n: u64) -> String {
    let (high, low) = (mix(2 * n), mix(2 * n + 1));
    let (first, second) = (high >> 32, (high >> 16) & 0xffff);
    let (third, fourth) = (0x4000 | (high & 0x0fff), 0x8000 | (low >> 50));
    format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{:012x}", low & 0xffff_ffff_ffff)
}

/// The n-th password of a length of at least four, with all four kinds of characters in it.
pub(crate) fn password(n: u64, length: usize) -> String {
    const KINDS: [&[u8]; 4] = [b"abcdefghijkmnpqrstuvwxyz", b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"23456789", b"!#%+-=?@"];
    let character = |place: usize| {
        let kind = KINDS[place % KINDS.len()];
        let draw = mix(n.wrapping_mul(1009).wrapping_add(place as u64));
        char::from(kind[(draw % kind.len() as u64) as usize])
    };
    (0..length).map(character).collect()
}

/// Spreads a number over all 64 bits (the finishing step of SplitMix64).
pub(crate) fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_look_like_the_vendors_and_differ() {
        let ids: HashSet<String> = (0..10_000).map(opaque_id).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 7 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())));
    }

    #[test]
    fn keys_look_like_uuids_and_differ() {
        let keys: HashSet<String> = (0..1000).map(uuid).collect();
        assert_eq!(keys.len(), 1000);
        for key in keys {
            let lengths: Vec<usize> = key.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{key}");
        }
    }

    #[test]
    fn passwords_have_all_kinds_of_characters() {
        for n in 0..100 {
            let made = password(n, 4);
            assert_eq!(made.len(), 4);
            assert!(made.contains(|c: char| c.is_ascii_lowercase()), "{made}");
            assert!(made.contains(|c: char| c.is_ascii_uppercase()), "{made}");
            assert!(made.contains(|c: char| c.is_ascii_digit()), "{made}");
            assert!(made.contains(|c: char| !c.is_alphanumeric()), "{made}");
        }
        assert_ne!(password(1, 12), password(2, 12));
    }
}
