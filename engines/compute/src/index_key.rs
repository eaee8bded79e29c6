//! Keys of secondary index entries: the indexed field, then the primary key.
//!
//! The field is written in groups of eight bytes, zero-padded, each followed by a byte that says how many of the eight
//! count, or 9 when another group follows (the memory-comparable form of MyRocks and TiDB). Bytes then compare
//! as (field, primary key) do, no encoded field is a prefix of another, an eight-byte integer takes nine bytes, and
//! the entry can be taken apart again.

const GROUP_BYTES: usize = 8;
const MORE: u8 = GROUP_BYTES as u8 + 1;

/// Appends the encoded `field` to `out`. The encoding is the lower bound of all entries with this field or a later one.
pub fn put_field(out: &mut Vec<u8>, field: &[u8]) {
    let mut rest = field;
    loop {
        let (group, tail) = rest.split_at(rest.len().min(GROUP_BYTES));
        out.extend_from_slice(group);
        out.resize(out.len() + GROUP_BYTES - group.len(), 0);
        if tail.is_empty() {
            out.push(group.len() as u8);
            return;
        }
        out.push(MORE);
        rest = tail;
    }
}

/// Appends the entry of a row with this `field` under `primary` to `out`.
pub fn put_entry(out: &mut Vec<u8>, field: &[u8], primary: &[u8]) {
    put_field(out, field);
    out.extend_from_slice(primary);
}

/// The primary key of an entry, or `None` when the bytes are not one.
pub fn primary_of(entry: &[u8]) -> Option<&[u8]> {
    let mut rest = entry;
    loop {
        let (group, tail) = rest.split_first_chunk::<{ GROUP_BYTES + 1 }>()?;
        match group[GROUP_BYTES] {
            MORE => rest = tail,
            count if usize::from(count) <= GROUP_BYTES => return Some(tail),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn entry(field: &[u8], primary: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_entry(&mut out, field, primary);
        out
    }

    fn field() -> impl Strategy<Value = Vec<u8>> {
        // Few distinct bytes, so that fields are often prefixes of each other and full of zeroes.
        proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(9), Just(255)], 0..20)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn entries_compare_as_field_then_primary_key(a in (field(), field()), b in (field(), field())) {
            let (left, right) = (entry(&a.0, &a.1), entry(&b.0, &b.1));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            prop_assert_eq!(primary_of(&left), Some(&a.1[..]));
        }

        #[test]
        fn an_encoded_field_bounds_its_entries(a in field(), b in field(), primary in field()) {
            let mut bound = Vec::new();
            put_field(&mut bound, &b);
            prop_assert_eq!(entry(&a, &primary) < bound, a < b);
        }

        #[test]
        fn any_bytes_are_taken_apart_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(primary) = primary_of(&bytes) {
                prop_assert!(bytes.ends_with(primary));
            }
        }
    }

    #[test]
    fn an_integer_takes_nine_bytes() {
        assert_eq!(entry(&7u64.to_be_bytes(), b"").len(), 9);
    }
}
