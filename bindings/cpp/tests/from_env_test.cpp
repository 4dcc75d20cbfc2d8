// A config of the environment: setters take the place of what it has, and warnings are data. What each message says is in
// tests/conformance/from_env.json.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <unistd.h>
#include <utility>
#include <vector>

namespace fs = std::filesystem;

namespace {

/// Everything that a client of the emulator needs is in the environment; tests run one at a time.
class from_env : public testing::Test {
protected:
    void SetUp() override {
        const auto& service = fresh();
        home_ = fs::temp_directory_path() / ("imtag-from-env-" + std::to_string(getpid()));
        fs::create_directories(home_);
        set("HOME", home_.string());
        set("IMTAG_SDKAPPID", std::to_string(service.sdkappid));
        set("IMTAG_IDENTIFIER", service.identifier);
        set("IMTAG_SECRET_KEY", service.key);
        set("IMTAG_ENDPOINT", service.endpoint);
    }

    void TearDown() override {
        for (const auto& [name, before] : before_)
            if (before)
                setenv(name.c_str(), before->c_str(), 1);
            else
                unsetenv(name.c_str());
        fs::remove_all(home_);
    }

    void set(const std::string& name, const std::string& value) {
        const char* const before = std::getenv(name.c_str());
        before_.emplace_back(name, before ? std::optional<std::string>(before) : std::nullopt);
        setenv(name.c_str(), value.c_str(), 1);
    }

    std::string settings_file(const std::string& text) {
        const auto file = home_ / "settings.toml";
        std::ofstream(file) << text;
        fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write | fs::perms::others_read);
        set("IMTAG_CONFIG", file.string());
        return file.string();
    }

private:
    fs::path home_;
    std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

template <class Act>
std::string settings_error_of(Act act) {
    try {
        act();
    } catch (const imtag::settings_error& error) {
        return error.what();
    }
    return "nothing was thrown";
}

TEST_F(from_env, makes_a_client_that_makes_calls) {
    const auto config = imtag::config::from_env();
    EXPECT_TRUE(config.warnings().empty());
    EXPECT_EQ(imtag::client(config).get_tag({"alice"}).accounts(), 1u);
}

TEST_F(from_env, a_setter_takes_the_place_of_what_is_found) {
    set("IMTAG_SECRET_KEY", "another");
    set("IMTAG_ENDPOINT", "mars");
    EXPECT_EQ(settings_error_of([] { imtag::client client(imtag::config::from_env()); }),
              "IMTAG_ENDPOINT: the endpoint \"mars\" is not of the form https://host or https://host:port");
    const auto& service = shared_emulator();
    const imtag::client client(imtag::config::from_env().secret_key(service.key).endpoint(service.endpoint));
    EXPECT_EQ(client.get_tag({"alice"}).accounts(), 1u);
}

TEST_F(from_env, a_profile_is_asked_for_by_name_and_warnings_are_data) {
    const auto file = settings_file("[profile.live]\nsecret_key = \"hush\"\n");
    const auto warnings = imtag::config::from_env("live").warnings();
    ASSERT_EQ(warnings.size(), 2u);
    EXPECT_EQ(warnings[0],
              "the profile live gives secret_key, but the environment wins: unset IMTAG_SECRET_KEY to call its app");
    EXPECT_EQ(warnings[1], "others can read " + file + ", which holds a secret: chmod 600 it");
    EXPECT_EQ(settings_error_of([] { imtag::config::from_env(std::string("test")); }),
              "there is no profile \"test\": " + file + " has live");
}

}  // namespace
