#include <gtest/gtest.h>

#include "base/file.h"
#include "net/certificate.h"
#include "os/file.h"

namespace mamori::net {
namespace {

TEST(Certificate, ACertificateOfOurOwnIsMadeAnewBeforeItEnds) {
  const TemporaryFolder folder;
  const auto certificate = (folder.path() / "c.pem").string(), key = (folder.path() / "k.pem").string();
  const auto start = *parse_instant("2026-11-25T00:00:00Z");
  ASSERT_TRUE(make_certificate(certificate, key, "", start));
  const auto end = *certificate_end(certificate);
  EXPECT_EQ(end, start + std::chrono::days(825));
  ASSERT_TRUE(make_certificate(certificate, key, "", start + std::chrono::days(700)));
  EXPECT_EQ(*certificate_end(certificate), end) << "good for long";
  ASSERT_TRUE(make_certificate(certificate, key, "", start + std::chrono::days(800)));
  EXPECT_EQ(*certificate_end(certificate), start + std::chrono::days(1625));
  ASSERT_TRUE(os::write_file(certificate, "no certificate"));
  EXPECT_EQ(certificate_end(certificate).error().code, "http.listen.certificate");
}

}  // namespace
}  // namespace mamori::net
