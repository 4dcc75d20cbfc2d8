//! Which path is served by what: the admin API below `/emulator`, and everything else by the service.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use hyper::StatusCode;

use crate::admin;
use crate::service::{self, Context};
use crate::wire::Line;

/// All that the emulator serves.
pub(crate) fn router(context: Context) -> Router {
    let admin = Router::new()
        .route("/emulator/faults", post(admin::faults))
        .route("/emulator/stats", get(admin::stats))
        .route("/emulator/users", get(admin::users))
        .route("/emulator/users/{account}", get(admin::user))
        .route("/emulator/requests", get(admin::requests))
        .route("/emulator/reset", post(admin::reset))
        .route("/emulator/{*unknown}", any(admin::unknown))
        .route_layer(middleware::from_fn(local_only));
    admin.fallback(service::serve).with_state(context)
}

/// The admin API asks for no UserSig, so it is for callers on this machine alone.
async fn local_only(
    Extension(line): Extension<Arc<Line>>,
    request: Request,
    next: Next,
) -> Response {
    if line.is_local() {
        return next.run(request).await;
    }
    let text = "the admin API answers callers on this machine only";
    admin::sorry(StatusCode::FORBIDDEN, text)
}
