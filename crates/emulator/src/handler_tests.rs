//! Requests under way, in virtual time.

use std::time::Duration;

use imtag_core::{Generation, Identifier, Operation, SdkAppId, SecretKey, UserSig};
use tokio::time::{Instant, sleep};

use crate::apply::Rules;
use crate::auth::App;
use crate::latency::Latency;
use crate::service::{Settings, State};
use crate::traffic::{Quota, Window};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn service(latency: Duration, jitter: Duration) -> Arc<Service> {
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
        latency: Latency {
            mean: latency,
            jitter,
        },
        seed: 7,
    };
    Arc::new(Service::new(app, settings, State::default()))
}

async fn request(service: &Service) -> Request {
    let identifier = Identifier::new("admin").unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let app = &service.app;
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

fn arrivals(service: &Service) -> u64 {
    service.stats().arrivals()
}

#[tokio::test(start_paused = true)]
async fn a_request_arrives_half_way_and_is_under_way_all_the_time() {
    let service = service(SECOND * 100, Duration::ZERO);
    let request = request(&service).await;
    let handled = tokio::spawn(handle_request(Arc::clone(&service), request));
    sleep(SECOND * 49).await;
    assert_eq!((arrivals(&service), service.stats().in_flight), (0, 1));
    assert!(!service.settle(Duration::ZERO));
    sleep(SECOND * 2).await;
    assert_eq!((arrivals(&service), service.stats().in_flight), (1, 1));
    assert_eq!(service.stats().users_with_tags, 1);
    sleep(SECOND * 48).await;
    assert!(!handled.is_finished());
    sleep(SECOND * 2).await;
    assert!(handled.is_finished() && service.settle(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn thousands_are_under_way_at_once_each_for_a_time_of_its_own() {
    let service = service(SECOND * 50, SECOND * 20);
    let started = Instant::now();
    let mut under_way = Vec::new();
    for _ in 0..2000 {
        let request = request(&service).await;
        let service = Arc::clone(&service);
        under_way.push(tokio::spawn(async move {
            handle_request(service, request).await;
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
    assert_eq!(arrivals(&service), 2000);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_set_out_before_a_reset_has_no_effect_and_is_not_counted() {
    let service = service(SECOND * 100, Duration::ZERO);
    let request = request(&service).await;
    let handled = tokio::spawn(handle_request(Arc::clone(&service), request));
    sleep(SECOND).await;
    service.reset();
    let Reply::Json(answer) = handled.await.unwrap() else {
        panic!("it is an answer");
    };
    assert!(String::from_utf8(answer).unwrap().contains("91000"));
    assert_eq!(
        (arrivals(&service), service.stats().users_with_tags),
        (0, 0)
    );
    assert!(service.state().log.iter().next().is_none());
}
