//! Requests under way, in virtual time.

use std::time::Duration;

use imtag_core::{Generation, Identifier, Operation, SdkAppId, SecretKey, UserSig};
use tokio::time::{Instant, sleep};

use crate::apply::Rules;
use crate::gate::App;
use crate::traffic::{Quota, Window};
use crate::way::Way;
use crate::world::{Settings, State};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn world(latency: Duration, jitter: Duration) -> Arc<World> {
    let app = App {
        sdkappid: SdkAppId::new(1).unwrap(),
        identifier: "admin".to_owned(),
        secret_key: SecretKey::new("key").unwrap(),
    };
    let settings = Settings {
        rules: Rules::default(),
        quota: Quota {
            calls_per_second: u32::MAX,
            window: Window::Sliding,
            rejected_arrivals_count: true,
        },
        way: Way { latency, jitter },
        seed: 7,
    };
    Arc::new(World::new(app, settings, State::default()))
}

async fn request(world: &World) -> Request {
    let identifier = Identifier::new("admin").unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let app = &world.app;
    let usersig = UserSig::sign(&app.secret_key, app.sdkappid, &identifier, SECOND * 60, now);
    let route = crate::route::Route::new(Operation::Add, Generation::AllMemberPush);
    let target = format!(
        "{}?sdkappid=1&identifier=admin&usersig={}&random=1&contenttype=json",
        route.path(),
        usersig.expose()
    );
    let body = r#"{"UserTags":[{"To_Account":"a","Tags":["t"]}]}"#;
    let request = hyper::Request::builder().method("POST").uri(target);
    let (parts, body) = request.body(body.into()).unwrap().into_parts();
    Request::receive(parts, body, SECOND).await.unwrap()
}

fn arrivals(world: &World) -> u64 {
    world.stats().arrivals()
}

#[tokio::test(start_paused = true)]
async fn a_request_arrives_half_way_and_is_under_way_all_the_time() {
    let world = world(SECOND * 100, Duration::ZERO);
    let request = request(&world).await;
    let dealt_with = tokio::spawn(deal_with(Arc::clone(&world), request));
    sleep(SECOND * 49).await;
    assert_eq!((arrivals(&world), world.stats().in_flight), (0, 1));
    assert!(!world.settle(Duration::ZERO));
    sleep(SECOND * 2).await;
    assert_eq!((arrivals(&world), world.stats().in_flight), (1, 1));
    assert_eq!(world.stats().users_with_tags, 1);
    sleep(SECOND * 48).await;
    assert!(!dealt_with.is_finished());
    sleep(SECOND * 2).await;
    assert!(dealt_with.is_finished() && world.settle(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn thousands_are_under_way_at_once_each_for_a_time_of_its_own() {
    let world = world(SECOND * 50, SECOND * 20);
    let started = Instant::now();
    let mut under_way = Vec::new();
    for _ in 0..2000 {
        let request = request(&world).await;
        let world = Arc::clone(&world);
        under_way.push(tokio::spawn(async move {
            deal_with(world, request).await;
            started.elapsed()
        }));
    }
    let mut times = Vec::new();
    for one in under_way {
        times.push(one.await.unwrap());
    }
    // A timer may be late by its granularity, once on each half.
    let late = Duration::from_millis(2);
    let all_within = |time: &Duration| (SECOND * 30..=SECOND * 70 + late).contains(time);
    assert!(times.iter().all(all_within));
    times.sort_unstable();
    assert!(times[100] < SECOND * 33 && times[1900] > SECOND * 67);
    assert_eq!(arrivals(&world), 2000);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_set_out_before_a_reset_has_no_effect_and_is_not_counted() {
    let world = world(SECOND * 100, Duration::ZERO);
    let request = request(&world).await;
    let dealt_with = tokio::spawn(deal_with(Arc::clone(&world), request));
    sleep(SECOND).await;
    world.reset();
    let Reply::Json(answer) = dealt_with.await.unwrap() else {
        panic!("it is an answer");
    };
    assert!(String::from_utf8(answer).unwrap().contains("91000"));
    assert_eq!((arrivals(&world), world.stats().users_with_tags), (0, 0));
    assert!(world.state().log.iter().next().is_none());
}
