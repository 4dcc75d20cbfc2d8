//! Who may call. Over the Unix socket each process that may connect to it; over TCP those who have the token, or the local
//! key, which their UserSigs are made with. A page in a browser never may, as it is led by others.
//!
//! The local key is the daemon's own. A client is given it in place of the app's key, which stays with the daemon.

use std::fmt;
use std::net::IpAddr;

use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use imtag_core::{Code, SdkAppId, SecretKey};
use imtag_local_server::{Caller, Names, Peer, host_of};
use imtag_wire::{Query, Refusal, verify};
use sha2::{Digest, Sha256};

/// What lets a caller in. It has no Debug, as it holds secrets.
#[derive(Default)]
pub struct Access {
    local_key: Option<SecretKey>,
    /// A digest, so that a comparison takes as long for every wrong one.
    token: Option<[u8; 32]>,
}

/// Who calls, by the name that figures, logs and keys of posts have. Each kind has a name of its own, which no identifier can
/// take: a UserSig for `uid 0` is of `identifier uid 0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum CallerName {
    /// The user of a process at the Unix socket.
    Uid(u32),
    /// The identifier of a UserSig.
    Identifier(String),
    /// One that has the token.
    Token,
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallerName::Uid(uid) => write!(f, "uid {uid}"),
            CallerName::Identifier(identifier) => write!(f, "identifier {identifier}"),
            CallerName::Token => f.write_str("token"),
        }
    }
}

impl Access {
    /// Lets nobody in over TCP.
    #[must_use]
    pub fn new() -> Access {
        Access::default()
    }

    /// Lets in who signs with this key.
    #[must_use]
    pub fn local_key(mut self, key: SecretKey) -> Access {
        self.local_key = Some(key);
        self
    }

    /// Lets in who has this token: `Authorization: Bearer TOKEN`.
    #[must_use]
    pub fn token(mut self, token: &str) -> Access {
        self.token = Some(Sha256::digest(token).into());
        self
    }

    /// Who calls, or what is wrong with its credentials, in the service's codes.
    pub(crate) fn admit(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        query: Option<&Query>,
        app: SdkAppId,
    ) -> Result<CallerName, Refusal> {
        let bearer = headers.get(AUTHORIZATION);
        if let Peer::Unix { uid, .. } = peer {
            // an SDK's query is there, too, and its UserSig does not matter; but its app does
            if let Some(given) = query.map(Query::sdkappid).transpose()?.flatten() {
                other_app(given, app)?;
            }
            return Ok(CallerName::Uid(uid));
        }
        if let Some(bearer) = bearer {
            let token = token(bearer.as_bytes());
            // of two, another program could take the other one for that which counts
            let is_once = headers.get_all(AUTHORIZATION).iter().count() == 1;
            let is_right = is_once && token.is_some_and(|token| self.is_token(token));
            if !is_right {
                return Err(Refusal::new(70003, "the token is not the daemon's"));
            }
            if let Some(given) = query.map(Query::sdkappid).transpose()?.flatten() {
                other_app(given, app)?;
            }
            return Ok(CallerName::Token);
        }
        let nothing = || {
            let text = "nothing says who calls: send sdkappid, identifier and usersig in the URL, or a token";
            Refusal::new(60012, text)
        };
        let caller = query.ok_or_else(nothing)?.credentials(false)?;
        let Some(key) = &self.local_key else {
            let text = "this daemon lets in by its token alone: send Authorization: Bearer TOKEN";
            return Err(Refusal::new(70003, text));
        };
        if caller.sdkappid != app.get() {
            return Err(unknown(app));
        }
        verify(&caller, app, key).map_err(|refusal| match refusal.code {
            70009 => Refusal::new(
                70009,
                "the UserSig was not made with the daemon's local key, which takes the place of the app's key here",
            ),
            _ => refusal,
        })?;
        Ok(CallerName::Identifier(caller.identifier.to_owned()))
    }

    fn is_token(&self, token: &[u8]) -> bool {
        self.token == Some(Sha256::digest(token).into())
    }
}

/// What stands behind `Bearer`, which counts in any case.
fn token(authorization: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"Bearer ";
    let (scheme, token) = authorization.split_at_checked(SCHEME.len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME);
    is_bearer.then(|| token.trim_ascii_start())
}

fn other_app(given: &str, app: SdkAppId) -> Result<(), Refusal> {
    if given == app.get().to_string() {
        return Ok(());
    }
    Err(unknown(app))
}

fn unknown(app: SdkAppId) -> Refusal {
    let text = format!("the daemon serves the app {}, and no other", app.get());
    Refusal::new(70020, text)
}

/// What a caller is to do whose credentials are refused. The service's own remedies are about the app's key, which no
/// caller of the daemon has.
pub(crate) fn remedy(refusal: &Refusal) -> &'static str {
    match refusal.code {
        60012 | 70003 => "send the daemon's token, or a UserSig made with its local key",
        70009 => "sign with the daemon's local key, whose file it names at its start",
        70020 => "use the SDKAppID that the daemon serves",
        code => Code(code).remedy(),
    }
}

/// Why a request is refused with status 403: a page in a browser sent it, or was led here by a name that is none of ours.
pub(crate) fn foreign<B>(
    caller: &Caller,
    request: &Request<B>,
    names: &Names,
) -> Option<&'static str> {
    let headers = request.headers();
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return Some("a page of another site may not call the daemon (Sec-Fetch-Site)");
    }
    // no page can be led here by the very address that is called
    let is_here = |host: &str| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        address.is_ok_and(|address: IpAddr| caller.here() == Some(address.to_canonical()))
    };
    let is_own = |authority: &str| {
        let host = host_of(authority);
        names.are_own(host) || is_here(host)
    };
    for origin in headers.get_all(ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.split_once("://").map_or("", |(_, rest)| rest);
        if !is_own(authority) {
            return Some("a page of another site may not call the daemon (Origin)");
        }
    }
    // over the socket a client may say any host
    if matches!(caller.peer(), Peer::Unix { .. }) {
        return None;
    }
    let mut hosts = headers.get_all(HOST).iter();
    // a target that names its host counts for more than the field does
    let target = request.uri().authority();
    let is_ours = hosts.all(|host| host.to_str().is_ok_and(is_own))
        && target.is_none_or(|target| is_own(target.as_str()));
    (!is_ours).then_some("the daemon does not have this name: start it with --name (Host)")
}
