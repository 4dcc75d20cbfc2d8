//! Which path is served by what: the admin API below `/emulator`, and everything else by the service.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use axum::{Extension, Router};
use hyper::header::{HOST, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, StatusCode};
use imtag_local_server::host_of;

use crate::admin;
use crate::handler::{self, Context};
use crate::wire::{self, Line};

/// All that the emulator serves.
pub(crate) fn router(context: Context) -> Router {
    let admin = Router::new()
        .route(
            "/emulator/faults",
            post(admin::faults)
                .get(admin::standing)
                .delete(admin::remove_faults),
        )
        .route("/emulator/faults/{number}", delete(admin::remove_standing))
        .route("/emulator/stats", get(admin::stats))
        .route("/emulator/users", get(admin::users))
        .route("/emulator/users/{account}", get(admin::user))
        .route("/emulator/requests", get(admin::requests))
        .route("/emulator/reset", post(admin::reset))
        .method_not_allowed_fallback(admin::wrong_method)
        .route("/emulator", any(admin::unknown))
        .route("/emulator/", any(admin::unknown))
        .route("/emulator/{*unknown}", any(admin::unknown))
        .route_layer(middleware::from_fn_with_state(context.clone(), local_only));
    admin.fallback(handler::serve).with_state(context)
}

/// The admin API asks for no UserSig, so it is for callers on this machine alone; not for the pages that a browser on
/// it shows, from wherever they are. Browsers name the page in `Origin` when it posts, and nothing else does; they say
/// that another site's page asks; and the name of a page's own host, which can be made to lead here, is in `Host`.
async fn local_only(
    State(context): State<Context>,
    Extension(line): Extension<Arc<Line>>,
    request: Request,
    next: Next,
) -> Response {
    let text = if !line.is_local() {
        "the admin API answers callers on this machine only"
    } else if request.headers().contains_key(ORIGIN) {
        "the admin API does not answer web pages: send the request without Origin"
    } else if is_cross_site(request.headers()) {
        "the admin API does not answer the pages of other sites"
    } else if !hosts(&request).all(|host| context.names.are_own(host)) {
        "the admin API answers to localhost, to the emulator's address and to its names (--name), and to no other Host"
    } else {
        return next.run(request).await;
    };
    wire::error(StatusCode::FORBIDDEN, text)
}

/// What a browser says of who asks: an address typed in, or a page of the same origin, may.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let mut asked = headers.get_all("sec-fetch-site").iter();
    asked.any(|site| site != "none" && site != "same-origin")
}

/// The hosts that a request is for: of its URL, and of `Host`. No browser leaves them out.
fn hosts(request: &Request) -> impl Iterator<Item = &str> {
    let of_url = request.uri().authority().map(Authority::as_str);
    let headers = request.headers().get_all(HOST).iter();
    let of_headers = headers.map(|host| host.to_str().unwrap_or_default());
    of_url.into_iter().chain(of_headers).map(host_of)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use imtag_local_server::{Names, Peer};

    use crate::service::{Service, Settings};

    use super::*;

    fn context() -> Context {
        Context {
            service: Service::for_tests(Settings::default()),
            names: Arc::new(Names::new(&[], "127.0.0.1:0", [127, 0, 0, 1].into(), &[]).unwrap()),
            read_timeout: Duration::from_secs(1),
        }
    }

    async fn status(peer: &str, method: &str, path: &str) -> u16 {
        let request = Request::builder().method(method).uri(path);
        let mut request = request.body(Body::empty()).unwrap();
        let line = Line::new(Peer::Tcp(peer.parse().unwrap()));
        request.extensions_mut().insert(line);
        let service = TowerToHyperService::new(router(context()));
        service.call(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn the_admin_api_answers_callers_on_this_machine_only() {
        for path in "stats users users/a faults faults/1 other ".split(' ') {
            let path = format!("/emulator/{path}");
            for remote in ["192.0.2.1:1", "[2001:db8::1]:1"] {
                assert_eq!(status(remote, "GET", &path).await, 403, "{remote} {path}");
            }
        }
        for (peer, admin) in [
            ("127.0.0.1:1", 200),
            ("[::1]:1", 200),
            ("[::ffff:127.0.0.1]:1", 200),
            ("192.0.2.1:1", 403),
            ("[2001:db8::1]:1", 403),
        ] {
            for (method, path, expected) in [
                ("POST", "/emulator/reset", admin),
                ("GET", "/emulator/requests", admin),
                ("POST", "/v4/timpush/add_tag", 200),
            ] {
                assert_eq!(status(peer, method, path).await, expected, "{peer} {path}");
            }
        }
    }
}
