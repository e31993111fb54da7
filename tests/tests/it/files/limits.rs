//! The user's limits.

use std::time::{Duration, Instant};

use harness::{files::Fetch, seconds};
use node::model::TransferLimits;

use super::{MIB, Places, start};

/// How long a limit is looked at.
const LOOK: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_limit_holds_within_five_percent_over_ten_seconds_up_and_down() {
    let places = Places::new();
    let source = places.file("file.bin", 64 * MIB);
    let seeder = start("seeder", &[]).await;
    let share = seeder.api().share(&source).await.unwrap();
    let rate = 4 * MIB;
    let up = TransferLimits { up: Some(rate), down: None };
    let down = TransferLimits { up: None, down: Some(rate) };
    for (number, (limits_of_seeder, limits_of_getter)) in
        [(up, TransferLimits::default()), (TransferLimits::default(), down)].into_iter().enumerate()
    {
        let getter = start("getter", &[&seeder]).await;
        seeder.api().limit(limits_of_seeder).await.unwrap();
        getter.api().limit(limits_of_getter).await.unwrap();
        let into = places.at(&format!("got-{number}"));
        getter.api().begin_fetch(&Fetch::all(share.link.as_deref().unwrap(), &into)).await.unwrap();
        let api = getter.api();
        let came = async || api.share_of(&share.root).await.unwrap().done_bytes;
        harness::eventually("it begins", seconds(20), async || match came().await {
            0..MIB => Err("nothing yet"),
            _ => Ok(()),
        })
        .await;
        let (since, before) = (Instant::now(), came().await);
        tokio::time::sleep(LOOK).await;
        let (took, bytes) = (since.elapsed(), came().await - before);
        let ratio = bytes as f64 / took.as_secs_f64() / rate as f64;
        // A block that came just before or after counts whole.
        assert!((0.95..=1.05).contains(&ratio), "{ratio} of the limit");
        getter.api().request(reqwest::Method::DELETE, &format!("files/{}", share.root)).send().await.unwrap();
    }
}
