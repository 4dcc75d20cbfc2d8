//! A config of the settings that are in the environment and in a settings file, and what is probably a mistake there.

use std::ffi::c_char;

use imtag_transport::Config;

use crate::boundary::status;
use crate::config::im_config;
use crate::error::im_error;
use crate::handle::{into_raw, read};
use crate::status::im_status;
use crate::str::im_str;

/// Makes a config of the settings that are in the environment and in a settings file, as the program imtag reads them:
///
/// variables  IMTAG_SDKAPPID, IMTAG_IDENTIFIER; one of IMTAG_SECRET_KEY, IMTAG_SECRET_KEY_FILE and IMTAG_USERSIG; one of
///            IMTAG_REGION and IMTAG_ENDPOINT; IMTAG_GENERATION, IMTAG_CALLS_PER_SECOND or IMTAG_BELOW_ALARM (true: 80),
///            IMTAG_FRESH_START (true or false), IMTAG_CA_FILE or IMTAG_ROOTS (built-in or platform), IMTAG_PROXY,
///            IMTAG_SPARE_ENDPOINT. One that is empty counts as not set. A false of IMTAG_BELOW_ALARM only takes away a
///            true of the file. A spare endpoint belongs to the region or endpoint that it is found beside: one in the file
///            is not used for an endpoint in a variable, nor one that is found for an endpoint that a setter sets. The text
///            `none` is for any.
/// file       that which IMTAG_CONFIG names, or ~/.config/imtag/config.toml if it is there. TOML, with these names
///            without IMTAG_ and in lower case: `sdkappid = 1400000000`. A variable wins over it. Paths in it are relative
///            to it.
///
/// All is read once, during this call. A setter then takes the place of what was found, of a credential or a region also
/// of those that it excludes. What is missing, or cannot be used, `im_client_new` reports: all at once, with each place
/// where it could stand. It reads the environment as getenv does: no other thread may change it meanwhile, by setenv, say.
///
/// profile  the table [profile.NAME] of the file whose keys win over those at its top; copied. Empty: the one that
///          IMTAG_PROFILE names, if it is set
/// config   not NULL. NULL on entry; set on IM_OK. Free: im_config_free
/// error    may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_SETTINGS: the file cannot be read or is not TOML, or there is no such profile; the message names those there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_from_env(
    profile: im_str,
    config: *mut *mut im_config,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, || {
        // SAFETY: NULL or writable until the function returns, as it documents.
        let config = unsafe { crate::handle::Out::cleared(config) }.needed("config")?;
        // SAFETY: readable until the function returns, as it documents.
        let profile = unsafe { profile.setting("the profile") }?;
        let found = Config::from_env(Some(profile))?;
        config.give(|| im_config::found(&found));
        Ok(())
    })
}

/// Makes a config with the same settings, which can be changed without changing the other. NULL for NULL. Free:
/// `im_config_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_copy(config: *const im_config) -> *mut im_config {
    read!(config, std::ptr::null_mut(), into_raw(config.clone()))
}

/// How much of what `im_config_from_env` found is probably a mistake: a variable that seems misspelt, a file with a secret
/// that others can read, a settings file in the home directory that may not be read. The library prints nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_warning_count(config: *const im_config) -> usize {
    read!(config, config.warnings.len())
}

/// A warning, a sentence without a secret. Ends with a NUL; "" for an index out of range. It lives as long as the config.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_warning(
    config: *const im_config,
    index: usize,
) -> *const c_char {
    read!(config, c"".as_ptr(), config.warnings.get(index)?.as_ptr())
}

#[cfg(test)]
mod tests {
    use imtag_transport::Setting;

    #[test]
    fn the_header_names_each_variable() {
        let header = include_str!("../../../include/imtag.h");
        for setting in Setting::in_file() {
            let variable = setting.variable();
            assert!(header.contains(&variable), "{variable} is not in imtag.h");
        }
    }
}
