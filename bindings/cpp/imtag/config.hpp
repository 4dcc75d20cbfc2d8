// The settings of clients, one setter each. The library remembers a setting that cannot be used and reports it when a
// client is made, so that a program need not check each setter.

#ifndef IMTAG_CONFIG_HPP
#define IMTAG_CONFIG_HPP

#include "call.hpp"
#include "version.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace imtag {

/// A UserSig, as a credential callback supplies it. Of a text alone it is unknown how long it is valid.
class credential {
public:
    /// The UserSig is copied. `valid_for` is how long it is valid from now; the callback is asked for a new one when
    /// half of that is over: with 24h, after 12 h. 0: unknown; it is used until the service says that it expired. Below
    /// 0 it is refused, as it has expired.
    template <class Text, class = std::enable_if_t<detail::is_text<Text>>>
    credential(const Text& usersig, std::chrono::milliseconds valid_for = {})
        : usersig_(std::string_view(detail::to_str(usersig))), valid_for_(valid_for) {}

    const std::string& usersig() const noexcept { return usersig_; }
    std::chrono::milliseconds valid_for() const noexcept { return valid_for_; }

private:
    std::string usersig_;
    std::chrono::milliseconds valid_for_;
};

namespace detail {

/// Calls a callable for a UserSig. What it throws becomes the reason why there is none, as nothing may unwind through
/// C.
template <class Callback>
void supply(void* callback, im_credential* place) noexcept {
    try {
        const credential supplied = (*static_cast<Callback*>(callback))();
        if (supplied.valid_for().count() < 0) {  // 0 would mean that it is unknown
            im_credential_refuse(place, IM_STR("the credential callback returned a UserSig that is no longer valid: "
                                               "its valid_for is negative"));
            return;
        }
        im_credential_set(place, str(supplied.usersig()), as_ms(supplied.valid_for()), nullptr);
    } catch (const std::exception& refusal) {
        im_credential_refuse(place, str(refusal.what()));
    } catch (...) {
        im_credential_refuse(place, IM_STR("the credential callback threw something that is no std::exception"));
    }
}

template <class Callback>
void destroy(void* callback) noexcept {
    delete static_cast<Callback*>(callback);
}

}  // namespace detail

/// The settings of clients. Each setter copies its arguments and returns the config, for a chain. Any number of clients
/// may be made from it, and it may be changed or destroyed once they are made. Moved, not copied; used by one thread at
/// a time. App, credentials, and region or endpoint have no default and must be set.
class config {
public:
    config() : config_(im_config_new()) {
        if (!config_)
            throw std::bad_alloc();
    }

    /// The settings of the environment and of a settings file, as the program imtag reads them: the variables
    /// IMTAG_SDKAPPID, IMTAG_IDENTIFIER, IMTAG_SECRET_KEY and so on, and the file that IMTAG_CONFIG names, or
    /// ~/.config/imtag/config.toml if it is there, with the same names in lower case and without IMTAG_. A variable wins
    /// over the file. `profile` is the table [profile.NAME] of the file whose keys win over those at its top; if it is
    /// empty, IMTAG_PROFILE names it, if set.
    ///
    /// All is read once, during this call. A setter then takes the place of what was found. What is missing or cannot
    /// be used is the client's settings_error: all at once, with each place where it could stand. This throws
    /// settings_error itself if the file cannot be read or is not TOML, or if there is no such profile. No other thread
    /// may change the environment meanwhile, by setenv, say.
    static config from_env(str profile = std::string_view{}) {
        detail::check_version();
        return config(detail::made_by<im_config>(im_config_from_env, profile));
    }

    /// What from_env found that is probably a mistake, a sentence each: a variable that seems misspelt, a file with a
    /// secret that others can read.
    std::vector<std::string> warnings() const {
        std::vector<std::string> all;
        for (std::size_t at = 0; at < im_config_warning_count(handle()); ++at)
            all.emplace_back(im_config_warning(handle(), at));
        return all;
    }

    /// The app's number, as the console shows it, and the account of an app administrator that makes the calls, 1 to 32
    /// bytes: `administrator`. What is 0 or empty is not set, and stays as it was.
    config& app(std::uint32_t sdkappid, str identifier) & { return with(im_config_set_app, sdkappid, identifier); }
    config app(std::uint32_t sdkappid, str identifier) && { return std::move(app(sdkappid, identifier)); }

    /// The app's secret key, from which the client makes UserSigs. Of key, UserSig and callback, the one that is set
    /// last is used.
    config& secret_key(str key) & { return with(im_config_set_secret_key, key); }
    config secret_key(str key) && { return std::move(secret_key(key)); }

    /// A ready UserSig, which is used until it expires.
    config& usersig(str ready) & { return with(im_config_set_usersig, ready); }
    config usersig(str ready) && { return std::move(usersig(ready)); }

    /// A callable that supplies a UserSig whenever a new one is needed. It takes nothing and returns a text or an
    /// imtag::credential, or throws if there is none; the caller then gets a credentials_error with its what(), which
    /// should hold no secret. It runs on threads that call a client, one at a time for a client. A call's deadline
    /// cannot interrupt it, so it should limit its own waits. It is moved in, and destroyed when no client or config
    /// needs it any more, on the thread that destroys the last of them.
    template <class Callback>
    config& credential_callback(Callback&& callback) & {
        using Kept = std::decay_t<Callback>;
        static_assert(std::is_invocable_r_v<credential, Kept&>,
                      "a credential callback takes nothing and returns a text or an imtag::credential");
        auto kept = std::make_unique<Kept>(std::forward<Callback>(callback));
        return with(im_config_set_credential_callback, detail::supply<Kept>, kept.release(), detail::destroy<Kept>);
    }
    template <class Callback>
    config credential_callback(Callback&& callback) && {
        return std::move(credential_callback(std::forward<Callback>(callback)));
    }

    /// The app's data centre: china, singapore, seoul, tokyo, frankfurt, silicon-valley, jakarta, mumbai, saudi-arabia.
    /// Of region and endpoint, the one that is set last is used.
    config& region(str name) & { return with(im_config_set_region, name); }
    config region(str name) && { return std::move(region(name)); }

    /// An address in place of a region's: https://host[:port], or http:// with a loopback address.
    config& endpoint(str address) & { return with(im_config_set_endpoint, address); }
    config endpoint(str address) && { return std::move(endpoint(address)); }

    /// The host that is called while the first cannot be reached: an address as that of endpoint(), or `none`. Default:
    /// of a region the one that the service names for it, of an endpoint none. Calls go there for a minute if a look-up,
    /// a connection or a TLS handshake with the first fails and one with the spare succeeds. Once any of a call was
    /// written to a host, all its attempts go to that host. A change that a bulk run or a batcher sends again in another
    /// request is in another call.
    config& spare_endpoint(str address) & { return with(im_config_set_spare_endpoint, address); }
    config spare_endpoint(str address) && { return std::move(spare_endpoint(address)); }

    /// The proxy through which the service is called: http://, https:// or socks5://, then [user:password@]host[:port],
    /// where what URLs reserve is percent-encoded in user and password; the ports are 80, 443 and 1080 if none is
    /// given; host:port is http. Or `direct`: no proxy. Default: the environment's when the client is made, HTTPS_PROXY
    /// or else ALL_PROXY (also in lower case), unless NO_PROXY names the host. An endpoint on this machine is never
    /// called through a proxy, not even through one that is set here. No message shows user or password.
    config& proxy(str address) & { return with(im_config_set_proxy, address); }
    config proxy(str address) && { return std::move(proxy(address)); }

    /// The generation of the service's paths: all_member_push (the default) or timpush.
    config& generation(str name) & { return with(im_config_set_generation, name); }
    config generation(str name) && { return std::move(generation(name)); }

    /// How many calls of each operation this process may make in a second: 0.001 to 100000, with at most three
    /// decimals; default: 100. From 1 up it is that many whole calls in any second (2.5: two); below 1 it is one call
    /// in any 1 / calls seconds (0.5: one in 2 s). The processes of an app share its quota: give each its part. Clients
    /// of one process with the same app, endpoint and calls per second share it, whether they live at once or one after
    /// the other. Above 80 % of the app's quota the service sends an alarm to the app's webhook, if it has one: with 80
    /// for all processes together it stays quiet.
    config& calls_per_second(double calls) & { return with(im_config_set_calls_per_second, calls); }
    config calls_per_second(double calls) && { return std::move(calls_per_second(calls)); }

    /// Whether no other process of the app called in the last second. true: no call waits for other processes. Not set:
    /// one call at a time until this process has run for 1.1 s. false: for 1.1 s from the making of this process' first
    /// client, as a process that exec has replaced looks older than it is.
    config& fresh_start(bool fresh) & { return with(im_config_set_fresh_start, fresh ? 1 : 0); }
    config fresh_start(bool fresh) && { return std::move(fresh_start(fresh)); }

    /// The time for a whole call with all its waits and retries; above 0; default: 10 s.
    config& timeout(std::chrono::milliseconds time) & { return with(im_config_set_timeout_ms, detail::as_ms(time)); }
    config timeout(std::chrono::milliseconds time) && { return std::move(timeout(time)); }

    /// The time for opening a connection, look-up, TCP, a proxy and TLS; above 0; default: 5 s. Where there is a spare
    /// host, half of it is for the host that is tried first, with a proxy half of what is left once that is reached.
    config& connect_timeout(std::chrono::milliseconds time) & {
        return with(im_config_set_connect_timeout_ms, detail::as_ms(time));
    }
    config connect_timeout(std::chrono::milliseconds time) && { return std::move(connect_timeout(time)); }

    /// How many attempts a call makes at most, including the first; above 0; default: 4. Attempts without an answer are
    /// not counted: the call waits for the end of an outage for up to half of the time that it has left. With 1 nothing
    /// is tried again, and the call waits for no outage.
    config& max_attempts(std::uint32_t attempts) & { return with(im_config_set_max_attempts, attempts); }
    config max_attempts(std::uint32_t attempts) && { return std::move(max_attempts(attempts)); }

    /// The public root certificates to trust: built-in (the default), of the library's age; or platform, those of this
    /// system, where a company's proxy that opens TLS has its CA. Of roots and CA file, the one that is set last is
    /// used.
    config& roots(str name) & { return with(im_config_set_roots, name); }
    config roots(str name) && { return std::move(roots(name)); }

    /// A file of CA certificates (PEM) to trust in place of the public ones: a text or a std::filesystem::path.
    config& ca_file(const std::filesystem::path& path) & { return with(im_config_set_ca_file, str(path.native())); }
    config& ca_file(const char* path) & { return with(im_config_set_ca_file, str(path)); }
    config ca_file(const std::filesystem::path& path) && { return std::move(ca_file(path)); }
    config ca_file(const char* path) && { return std::move(ca_file(path)); }

    /// A limit of the service, where a plan grants another than the documented one; above 0. Names and defaults:
    /// users_per_request (100), tags_per_user_and_request (10), tags_per_user (100), tag_bytes (50) and
    /// account_bytes (32).
    config& limit(str name, std::size_t value) & { return with(im_config_set_limit, name, value); }
    config limit(str name, std::size_t value) && { return std::move(limit(name, value)); }

    /// The handle of the C interface, which stays this object's; NULL when it was moved from.
    const im_config* handle() const noexcept { return config_.get(); }

private:
    explicit config(im_config* found) noexcept : config_(found) {}

    /// Calls a setter of the C interface.
    template <class Set, class... Values>
    config& with(Set set, Values... values) noexcept {
        set(config_.get(), values...);
        return *this;
    }

    std::unique_ptr<im_config, detail::freed_by<im_config_free>> config_;
};

}  // namespace imtag

#endif
