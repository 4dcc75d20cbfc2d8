//! How libimtag.so is linked: with the SONAME that cargo-c would give it, so that below 1.0 each minor version is an
//! interface of its own, and never unloaded, as a thread's locals may outlive a `dlclose`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let of = |name| env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    let (major, minor) = (of("CARGO_PKG_VERSION_MAJOR"), of("CARGO_PKG_VERSION_MINOR"));
    let soname = match major.as_str() {
        "0" => format!("libimtag.so.0.{minor}"),
        _ => format!("libimtag.so.{major}"),
    };
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{soname}");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
