//! Latency, bandwidth, windows, loss.

use proptest::prelude::*;

use super::*;
use crate::net::flow::WINDOW_BYTES;

#[tokio::test(start_paused = true)]
async fn a_dial_and_a_question_take_one_round_trip_each() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let start = Instant::now();
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    assert_eq!(ms(start), 2 * LATENCY_MS);
    let (mut asks, mut answers) = stream(&mut dialed, &mut accepted).await;
    let start = Instant::now();
    say(&mut asks, b"question").await;
    assert_eq!(hear(&mut answers, 8).await, b"question");
    assert_eq!(ms(start), LATENCY_MS);
    say(&mut answers, b"answer").await;
    assert_eq!(hear(&mut asks, 6).await, b"answer");
    assert_eq!(ms(start), 2 * LATENCY_MS);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_but_not_flushed_stays_here() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let (mut writes, mut reads) = stream(&mut dialed, &mut accepted).await;
    writes.write_all(b"abc").await.unwrap();
    assert!(waits(Duration::from_secs(5), reads.read(&mut [0])).await);
    writes.write_all(b"def").await.unwrap();
    writes.flush().await.unwrap();
    assert_eq!(hear(&mut reads, 6).await, b"abcdef");
}

#[tokio::test(start_paused = true)]
async fn a_closed_stream_ends_for_its_reader_and_goes_on_in_the_other_direction() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let (mut asks, mut answers) = stream(&mut dialed, &mut accepted).await;
    asks.write_all(b"all").await.unwrap();
    asks.close().await.unwrap();
    let mut heard = Vec::new();
    answers.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"all");
    assert!(asks.write_all(b"more").await.is_err());
    say(&mut answers, b"answer").await;
    drop(answers);
    heard.clear();
    asks.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"answer");
}

#[tokio::test(start_paused = true)]
async fn whoever_writes_to_a_stream_that_nobody_reads_is_told() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let (mut writes, reads) = stream(&mut dialed, &mut accepted).await;
    drop(reads);
    let error = writes.write_all(&vec![0; 2 * WINDOW_BYTES]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

/// Sends so many bytes over a new stream; milliseconds until the last was read.
async fn transfer(up_bits_s: u64, down_bits_s: u64, bytes: usize) -> u64 {
    let network = start(&config());
    let mut a = Process::new(&network, Link { up_bits_s, ..link() });
    let mut b = Process::new(&network, Link { down_bits_s, ..link() });
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let (mut writes, mut reads) = stream(&mut dialed, &mut accepted).await;
    let start = Instant::now();
    let write = async {
        writes.write_all(&vec![7; bytes]).await.unwrap();
        writes.close().await.unwrap();
    };
    let mut heard = Vec::new();
    let (_, read) = futures::join!(write, reads.read_to_end(&mut heard));
    assert_eq!(read.unwrap(), bytes);
    ms(start)
}

#[tokio::test(start_paused = true)]
async fn a_megabyte_over_eight_megabits_takes_a_second_in_either_direction() {
    for (up, down) in [(8_000_000, 0), (0, 8_000_000), (8_000_000, 8_000_000)] {
        let took_ms = transfer(up, down, 1_000_000).await;
        assert!((1_030..1_400).contains(&took_ms), "{up} {down} {took_ms}");
    }
    assert!(transfer(0, 0, 1_000_000).await < 300);
}

#[tokio::test(start_paused = true)]
async fn a_slow_link_is_kept_busy_though_its_queue_is_short() {
    let took_ms = transfer(512_000, 0, 256_000).await;
    assert!((4_000..5_200).contains(&took_ms), "{took_ms}");
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_a_reader_that_does_not_read() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let (mut writes, mut reads) = stream(&mut dialed, &mut accepted).await;
    let mut written = 1;
    while let Ok(count) = tokio::time::timeout(Duration::from_secs(10), writes.write(&[0; 5_000])).await {
        written += count.unwrap();
    }
    assert_eq!(written, WINDOW_BYTES);
    hear(&mut reads, WINDOW_BYTES / 2).await;
    let count = tokio::time::timeout(Duration::from_secs(1), writes.write(&[0; 5_000])).await;
    assert_eq!(count.unwrap().unwrap(), 5_000);
}

#[tokio::test(start_paused = true)]
async fn an_end_opens_no_more_streams_than_allowed_until_one_is_gone() {
    let network = start(&config());
    let (mut a, mut b) = (Process::new(&network, link()), Process::new(&network, link()));
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let mut pairs = Vec::new();
    for _ in 0..crate::net::connection::MAX_STREAMS {
        pairs.push(stream(&mut dialed, &mut accepted).await);
    }
    assert!(waits(Duration::from_secs(5), open(&mut dialed)).await);
    pairs.pop();
    open(&mut dialed).await;
    open(&mut accepted).await;
}

/// Sends chunks over several streams at once on a bad path; what each stream's reader got.
async fn exchange(loss: f64, jitter: f64, up_bits_s: u64, streams: &[Vec<Vec<u8>>]) -> Vec<Vec<u8>> {
    let network = start(&scenario::Network { loss, jitter, ..config() });
    let mut a = Process::new(&network, Link { up_bits_s, ..link() });
    let mut b = Process::new(&network, link());
    let (mut dialed, mut accepted) = connect(&network, &mut a, &mut b).await;
    let mut exchanges = Vec::new();
    for chunks in streams {
        let (mut writes, mut reads) = stream(&mut dialed, &mut accepted).await;
        exchanges.push(async move {
            let write = async {
                for chunk in chunks {
                    say(&mut writes, chunk).await;
                }
                writes.close().await.unwrap();
            };
            let mut heard = Vec::new();
            let (_, read) = futures::join!(write, reads.read_to_end(&mut heard));
            read.unwrap();
            heard
        });
    }
    futures::future::join_all(exchanges).await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn bytes_arrive_complete_and_in_order_whatever_is_lost_and_late(
        loss in 0.0..0.4,
        jitter in 0.0..2.0,
        up_bits_s in prop_oneof![Just(0_u64), 200_000..10_000_000_u64],
        sizes in prop::collection::vec(prop::collection::vec(1..20_000_usize, 1..12), 1..4),
    ) {
        let mut next = 0_u32;
        let streams: Vec<Vec<Vec<u8>>> = sizes
            .iter()
            .map(|sizes| {
                let chunk = |size: &usize| (0..*size).map(|_| { next = next.wrapping_mul(69_069) + 1; (next >> 24) as u8 }).collect();
                sizes.iter().map(chunk).collect()
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let heard = runtime.block_on(exchange(loss, jitter, up_bits_s, &streams));
        for (heard, chunks) in heard.iter().zip(&streams) {
            prop_assert_eq!(heard, &chunks.concat());
        }
    }
}
