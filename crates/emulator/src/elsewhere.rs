//! What a request gets that is on no route: 60009, and a text that says what was asked for and what there is.

use crate::log;
use crate::refusal::Refusal;
use crate::route::Route;

/// Why no route takes this request.
pub(crate) fn refusal(method: &str, path: &str) -> Refusal {
    let (asked, method) = (log::shown_path(path), log::shown_method(method));
    let text = if Route::of_path(path).is_some() {
        format!("{asked} takes POST, and not {method}")
    } else if let Some(route) = meant(path) {
        format!(
            "there is no {asked}: the path is {}, to the letter",
            route.path()
        )
    } else {
        format!(
            "the emulator has no {asked}, only the calls of user tags: {}; an answer for another path is put by \
             POST /emulator/faults",
            paths()
        )
    };
    Refusal::new(60009, text)
}

/// The route that a path comes near: in another case, with other slashes, with more or less before it.
fn meant(path: &str) -> Option<Route> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    let path: String = parts.map(|part| format!("/{part}")).collect();
    let path = path.to_ascii_lowercase();
    let near = |known: &str| known.ends_with(&path) || path.ends_with(known);
    Route::all().find(|route| !path.is_empty() && near(route.path()))
}

fn paths() -> String {
    let paths: Vec<&str> = Route::all().map(Route::path).collect();
    paths.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_comes_near_a_routes_is_told_the_right_one() {
        for path in [
            "/v4/all_member_push/im_add_tag/",
            "//v4/all_member_push//im_add_tag",
            "/V4/All_Member_Push/IM_Add_Tag",
            "/all_member_push/im_add_tag",
            "/im_add_tag",
            "/proxy/v4/all_member_push/im_add_tag",
        ] {
            let text = refusal("POST", path).text;
            let expected = format!(
                "there is no {path}: the path is /v4/all_member_push/im_add_tag, to the letter"
            );
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_path_of_another_call_is_told_what_there_is() {
        for path in ["/v4/openim/sendmsg", "/", "*", "", "/v4/timpush/push"] {
            let Refusal { code, text } = refusal("POST", path);
            assert_eq!(code, 60009);
            let expected = format!(
                "the emulator has no {path}, only the calls of user tags: /v4/all_member_push/im_add_tag, \
                 /v4/all_member_push/im_get_tag, "
            );
            assert!(text.starts_with(&expected), "{text}");
            assert!(text.ends_with("an answer for another path is put by POST /emulator/faults"));
        }
    }

    #[test]
    fn another_method_is_told_post() {
        let text = refusal("GET", "/v4/timpush/add_tag").text;
        assert_eq!(text, "/v4/timpush/add_tag takes POST, and not GET");
    }

    #[test]
    fn a_text_is_short_and_holds_no_usersig() {
        assert!(!refusal("POST", "/v4/x/usersig=hush").text.contains("hush"));
        let long = "/x".repeat(10_000);
        assert!(refusal(&long, &long).text.len() < 1000);
    }
}
