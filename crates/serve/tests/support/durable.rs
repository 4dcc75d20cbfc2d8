//! Of tests that post changes that last.

use super::{Answer, Scene, Setup};

/// A daemon that keeps what is posted, and sends none of it.
pub(crate) fn paused() -> Scene {
    let scene = Scene::start(Setup::durable());
    scene.ask("POST", "/v1/pause", "", "");
    scene
}

/// Changes that wait.
pub(crate) fn stored(scene: &Scene) -> u64 {
    let figures = scene.page("/metrics").text;
    let mut lines = figures.lines();
    let line = lines.find_map(|it| it.strip_prefix("imtag_queue_changes "));
    line.unwrap().parse().unwrap()
}

/// Refused with this status, in a sentence that says this.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let why = answer.json["error"].as_str().unwrap();
    assert!(why.contains(part), "{part:?} is not in {why:?}");
}
