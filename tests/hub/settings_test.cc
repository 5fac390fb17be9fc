#include "hub/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "support/errors.h"
#include "support/temp_folder.h"

namespace falconer::hub {
namespace {

constexpr const char* kVariables[] = {"HF_ENDPOINT",
                                      "HF_HOME",
                                      "HF_HUB_CACHE",
                                      "HUGGINGFACE_HUB_CACHE",
                                      "XDG_CACHE_HOME",
                                      "HF_TOKEN",
                                      "HF_TOKEN_PATH",
                                      "HUGGING_FACE_HUB_TOKEN",
                                      "HF_HUB_OFFLINE",
                                      "TRANSFORMERS_OFFLINE",
                                      "HF_HUB_DISABLE_PROGRESS_BARS",
                                      "HF_HUB_ETAG_TIMEOUT",
                                      "SSL_CERT_FILE",
                                      "REQUESTS_CA_BUNDLE",
                                      "CURL_CA_BUNDLE",
                                      "SSL_CERT_DIR",
                                      "HF_HUB_DOWNLOAD_TIMEOUT",
                                      "HOME"};

class HubSettings : public ::testing::Test {
 protected:
  HubSettings() {
    for (const char* name : kVariables) {
      const char* value = std::getenv(name);
      before_.emplace_back(name,
                           value == nullptr ? std::nullopt : std::optional<std::string>(value));
      ::unsetenv(name);
    }
    ::setenv("HOME", folder_.path().c_str(), 1);
  }
  ~HubSettings() override {
    for (const auto& [name, value] : before_) {
      if (value)
        ::setenv(name.c_str(), value->c_str(), 1);
      else
        ::unsetenv(name.c_str());
    }
  }
  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }

  test::TempFolder folder_;
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

TEST_F(HubSettings, CacheIsWhereHuggingfaceHubHasIt) {
  EXPECT_EQ(Settings::from_environment().cache, folder_ / ".cache/huggingface/hub");
  set("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(Settings::from_environment().cache, "/x/huggingface/hub");
  set("HF_HOME", "~/h");
  EXPECT_EQ(Settings::from_environment().cache, folder_ / "h/hub");
  set("HUGGINGFACE_HUB_CACHE", "/older");
  EXPECT_EQ(Settings::from_environment().cache, "/older");
  set("HF_HUB_CACHE", "/newer");
  EXPECT_EQ(Settings::from_environment().cache, "/newer");
}

TEST_F(HubSettings, TokenIsTheVariableElseTheFile) {
  EXPECT_EQ(Settings::from_environment().token, "");
  make_folder(folder_ / ".cache/huggingface");
  write_file(folder_ / ".cache/huggingface/token", "hf_file\n");
  EXPECT_EQ(Settings::from_environment().token, "hf_file");
  write_file(folder_ / "other", "hf_other");
  set("HF_TOKEN_PATH", (folder_ / "other").string());
  EXPECT_EQ(Settings::from_environment().token, "hf_other");
  set("HF_TOKEN", " hf_variable\n");
  EXPECT_EQ(Settings::from_environment().token, "hf_variable");
  set("HF_TOKEN", "hf_a\r\nX-Other: b");
  test::expect_mentions(test::message_of([] { Settings::from_environment(); }), {"HF_TOKEN"});
}

TEST_F(HubSettings, SwitchesAreTrueInHuggingfaceHubsWords) {
  EXPECT_FALSE(Settings::from_environment().offline);
  for (const char* name : {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}) {
    for (const char* yes : {"1", "on", "Yes", "TRUE"}) {
      set(name, yes);
      EXPECT_TRUE(Settings::from_environment().offline) << name << yes;
    }
    set(name, "0");
    EXPECT_FALSE(Settings::from_environment().offline);
    ::unsetenv(name);
  }
  EXPECT_TRUE(Settings::from_environment().progress);
  set("HF_HUB_DISABLE_PROGRESS_BARS", "1");
  EXPECT_FALSE(Settings::from_environment().progress);
}

TEST_F(HubSettings, EndpointAndTimeoutsAreChecked) {
  EXPECT_EQ(Settings::from_environment().endpoint, "https://huggingface.co");
  set("HF_ENDPOINT", "http://mirror:8080/");
  EXPECT_EQ(Settings::from_environment().endpoint, "http://mirror:8080");
  set("HF_ENDPOINT", "mirror");
  test::expect_mentions(test::message_of([] { Settings::from_environment(); }),
                        {"HF_ENDPOINT", "mirror", "https://"});
  ::unsetenv("HF_ENDPOINT");
  set("HF_HUB_DOWNLOAD_TIMEOUT", "30");
  EXPECT_EQ(Settings::from_environment().stall_seconds, 30);
  set("HF_HUB_DOWNLOAD_TIMEOUT", "soon");
  test::expect_mentions(test::message_of([] { Settings::from_environment(); }),
                        {"HF_HUB_DOWNLOAD_TIMEOUT", "soon"});
}

TEST_F(HubSettings, CertificatesAreOpenSslsVariable) {
  set("SSL_CERT_FILE", "/ca.pem");
  set("SSL_CERT_DIR", "/ca");
  EXPECT_EQ(Settings::from_environment().ca_file, "/ca.pem");
  EXPECT_EQ(Settings::from_environment().ca_folder, "/ca");
}

}  // namespace
}  // namespace falconer::hub
