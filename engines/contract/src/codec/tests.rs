use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::{
    Aggregate, Change, CommitPosition, ConflictKind, Error, IndexId, Key, Mode, Projection, Reply, Request, Response,
    Row, SessionId, Statement, TableId, TxnSeq, Verb,
};

fn some_bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn key() -> impl Strategy<Value = Key> {
    some_bytes().prop_map(Key)
}

fn row() -> impl Strategy<Value = Row> {
    vec(some_bytes(), 0..5).prop_map(|fields| Row::new(fields.iter().map(|field| &field[..])))
}

fn projection() -> impl Strategy<Value = Projection> {
    prop_oneof![
        Just(Projection::Rows),
        any::<u16>().prop_map(Projection::Field),
        Just(Projection::Aggregate(Aggregate::Count)),
        any::<u16>().prop_map(|field| Projection::Aggregate(Aggregate::Sum(field))),
        any::<u16>().prop_map(Projection::Sorted),
        any::<u16>().prop_map(Projection::Distinct),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<u16>(), some_bytes()).prop_map(|(field, value)| Change::Set { field, value }),
        (any::<u16>(), any::<u64>()).prop_map(|(field, delta)| Change::Add { field, delta }),
    ]
}

fn statement() -> impl Strategy<Value = Statement> {
    let table = || any::<u16>().prop_map(TableId);
    prop_oneof![
        (table(), key()).prop_map(|(table, key)| Statement::Get { table, key }),
        (table(), key()).prop_map(|(table, key)| Statement::GetForUpdate { table, key }),
        (table(), key()).prop_map(|(table, key)| Statement::Delete { table, key }),
        (table(), key(), row()).prop_map(|(table, key, row)| Statement::Insert { table, key, row }),
        (table(), vec((key(), row()), 0..5)).prop_map(|(table, rows)| Statement::InsertMany { table, rows }),
        (table(), key(), row()).prop_map(|(table, key, row)| Statement::Put { table, key, row }),
        (table(), key(), vec(change(), 0..4)).prop_map(|(table, key, changes)| Statement::Update {
            table,
            key,
            changes
        }),
        (table(), key(), proptest::option::of(key()), any::<u32>(), projection())
            .prop_map(|(table, from, to, limit, projection)| Statement::Scan { table, from, to, limit, projection }),
        (table(), any::<u16>(), some_bytes(), proptest::option::of(some_bytes()), any::<u32>(), projection()).prop_map(
            |(table, index, from, to, limit, projection)| Statement::IndexScan {
                table,
                index: IndexId(index),
                from,
                to,
                limit,
                projection
            }
        ),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let verb = prop_oneof![
        Just(Verb::Begin(Mode::Optimistic)),
        Just(Verb::Begin(Mode::Locking)),
        Just(Verb::Commit),
        Just(Verb::Rollback),
        statement().prop_map(Verb::Execute),
        statement().prop_map(Verb::Single),
    ];
    (any::<u32>(), any::<u64>(), any::<u32>(), verb).prop_map(|(session, txn, step, verb)| Request {
        session: SessionId(session),
        txn: TxnSeq(txn),
        step,
        verb,
    })
}

fn response() -> impl Strategy<Value = Response> {
    let position = || proptest::option::of(any::<u64>().prop_map(CommitPosition));
    let text = || "[a-z é]{0,20}";
    let result = prop_oneof![
        Just(Ok(Reply::Begun)),
        Just(Ok(Reply::RolledBack)),
        any::<u64>().prop_map(|position| Ok(Reply::Committed { position: CommitPosition(position) })),
        (proptest::option::of(row()), position()).prop_map(|(row, position)| Ok(Reply::Row { row, position })),
        (vec((key(), row()), 0..6), position()).prop_map(|(rows, position)| Ok(Reply::Rows { rows, position })),
        (any::<u64>(), position()).prop_map(|(value, position)| Ok(Reply::Value { value, position })),
        (any::<u64>(), position()).prop_map(|(rows, position)| Ok(Reply::Affected { rows, position })),
        Just(Err(Error::Conflict(ConflictKind::Validation))),
        Just(Err(Error::Conflict(ConflictKind::Deadlock))),
        Just(Err(Error::DuplicateKey)),
        text().prop_map(|text| Err(Error::Invalid(text))),
        text().prop_map(|text| Err(Error::TooLarge(text))),
        text().prop_map(|text| Err(Error::Unavailable(text))),
        text().prop_map(|text| Err(Error::Indeterminate(text))),
        text().prop_map(|text| Err(Error::Corrupt(text))),
    ];
    (any::<u32>(), any::<u64>(), any::<u32>(), result).prop_map(|(session, txn, step, result)| Response {
        session: SessionId(session),
        txn: TxnSeq(txn),
        step,
        result,
    })
}

fn request_body(request: &Request) -> Bytes {
    let mut out = BytesMut::new();
    encode_request(request, &mut out);
    out.freeze()
}

fn response_body(response: &Response) -> Bytes {
    let mut out = BytesMut::new();
    encode_response(response, &mut out);
    out.freeze()
}

fn fixed(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(fixed(600))]

    #[test]
    fn a_request_survives_the_wire(request in request()) {
        let body = request_body(&request);
        prop_assert!(body.len() <= request_hint_bytes(&request) + 16);
        prop_assert_eq!(decode_request(&body), Ok(request));
    }

    #[test]
    fn a_response_survives_the_wire(response in response()) {
        prop_assert_eq!(decode_response(&response_body(&response)), Ok(response));
    }

    #[test]
    fn a_cut_or_lengthened_body_is_an_error(request in request(), response in response(), cut in any::<prop::sample::Index>()) {
        let body = request_body(&request);
        prop_assert!(decode_request(&body.slice(..cut.index(body.len()))).is_err());
        let long = Bytes::from([&body[..], b"x"].concat());
        prop_assert_eq!(decode_request(&long), Err(DecodeError::Trailing { count: 1 }));
        let body = response_body(&response);
        prop_assert!(decode_response(&body.slice(..cut.index(body.len()))).is_err());
    }

    #[test]
    fn damaged_bytes_never_panic_and_what_decodes_encodes_again(
        request in request(),
        response in response(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (mut asked, mut answered) = (request_body(&request).to_vec(), response_body(&response).to_vec());
        for (at, byte) in damage {
            let position = at.index(asked.len());
            asked[position] = byte;
            let position = at.index(answered.len());
            answered[position] = byte;
        }
        if let Ok(decoded) = decode_request(&asked.into()) {
            prop_assert_eq!(decode_request(&request_body(&decoded)), Ok(decoded));
        }
        if let Ok(decoded) = decode_response(&answered.into()) {
            prop_assert_eq!(decode_response(&response_body(&decoded)), Ok(decoded));
        }
    }
}

proptest! {
    #![proptest_config(fixed(4000))]

    #[test]
    fn random_bytes_never_panic(body in vec(any::<u8>(), 0..120), verb in 0u8..8, statement in 0u8..11) {
        let _ = decode_request(&body.clone().into());
        let _ = decode_response(&body.clone().into());
        // Random bytes seldom get past the discriminants: lead them there.
        let led = [&[0; 16][..], &[verb, statement, 0, 0, 3], &body].concat();
        let _ = decode_request(&led.clone().into());
        let _ = decode_response(&led.into());
    }
}

#[test]
fn a_hostile_count_allocates_nothing_to_speak_of() {
    let mut body = vec![0; 16];
    body.extend([0x02, 0x00, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(decode_response(&body.into()), Err(DecodeError::Truncated { .. })));
}

#[test]
fn decoded_keys_and_rows_share_the_body() {
    let request = Request {
        session: SessionId(1),
        txn: TxnSeq(2),
        step: 3,
        verb: Verb::Single(Statement::Put { table: TableId(0), key: Key::copy(b"key"), row: Row::new([&b"v"[..]]) }),
    };
    let body = request_body(&request);
    let Ok(Request { verb: Verb::Single(Statement::Put { key, .. }), .. }) = decode_request(&body) else {
        panic!("a put survives");
    };
    assert!(body.as_ptr_range().contains(&key.as_bytes().as_ptr()), "the key is a slice of the body");
}

#[test]
fn a_small_request_is_small() {
    let request = Request {
        session: SessionId(1),
        txn: TxnSeq(2),
        step: 3,
        verb: Verb::Execute(Statement::Get { table: TableId(0), key: Key::from_u64(9) }),
    };
    // Envelope 16, verb and statement 2, table 2, length 1, key 8.
    assert_eq!(request_body(&request).len(), 29);
}
