#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/file.h"
#include "os/file.h"
#include "os/keys.h"
#include "os/process.h"

namespace mamori::os {
namespace {

TEST(Process, ReportsOutputExitCodeAndTimeOut) {
  const auto result = run_process({"sh", "-c", "echo out; echo err >&2; exit 3"});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out, "out\n");
  EXPECT_EQ(result->err, "err\n");
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(run_process({"no-such-program-here"}).error().code, "base.process.missing");
  EXPECT_EQ(run_process({"sleep", "30"}, {.limit = std::chrono::milliseconds(100)}).error().code,
            "base.process.timeout");
  EXPECT_EQ(run_process({"yes"}, {.largest_output = 1000}).error().code, "base.process.output");
}

TEST(Lock, HoldsAlsoWhereItsFileWasRemovedMeanwhile) {
  const TemporaryFolder folder;
  auto& disk = Disk::real();
  auto first = *disk.lock(folder.path() / "lock");
  ASSERT_TRUE(first);
  EXPECT_FALSE(*disk.lock(folder.path() / "lock"));
  std::filesystem::remove(folder.path() / "lock");
  EXPECT_FALSE(*disk.lock(folder.path() / "lock"));
  first.reset();
  EXPECT_TRUE(*disk.lock(folder.path() / "lock"));
}

TEST(Keys, AreMadeOnceAndTheSameAfterwards) {
  crypto_ready();
  const TemporaryFolder folder;
  const auto key = open_or_make_signing_key(folder.path() / "k");
  ASSERT_TRUE(key);
  EXPECT_EQ(open_or_make_signing_key(folder.path() / "k")->public_key(), key->public_key());
  EXPECT_NE(open_or_make_signing_key(folder.path() / "l")->public_key(), key->public_key());
  const auto sealed = open_or_make_sealer(folder.path() / "s")->seal(Secret("合言葉"));
  EXPECT_EQ(open_or_make_sealer(folder.path() / "s")->open(sealed)->reveal(), "合言葉");
  ASSERT_TRUE(write_file(folder.path() / "k", "00ff\n"));
  EXPECT_EQ(open_or_make_signing_key(folder.path() / "k").error().code, "base.key.damaged")
      << "never made anew over an old one";
}

TEST(Blobs, NoticeDamageAndMendItWhenTheSameIsPutAgain) {
  crypto_ready();
  const TemporaryFolder folder;
  const Blobs blobs(folder.path());
  const auto hash = blobs.put("証跡");
  ASSERT_TRUE(hash);
  EXPECT_EQ(*blobs.get(*hash), "証跡");
  ASSERT_TRUE(write_file(folder.path() / hash->substr(0, 2) / *hash, "改"));
  EXPECT_EQ(blobs.get(*hash).error().code, "os.blob.damaged");
  EXPECT_EQ(blobs.get("../../etc/passwd").error().code, "os.blob.missing");
  ASSERT_TRUE(blobs.put("証跡"));
  EXPECT_EQ(*blobs.get(*hash), "証跡");
}

TEST(Folders, AreMadeWithThoseAboveThem) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_directory(folder.path() / "a/b/c"));
  EXPECT_TRUE(std::filesystem::is_directory(folder.path() / "a/b/c"));
  ASSERT_TRUE(make_directory(folder.path() / "a/b/c"));
  ASSERT_TRUE(write_file(folder.path() / "x", "1"));
  EXPECT_FALSE(make_directory(folder.path() / "x"));
  EXPECT_FALSE(make_directory(folder.path() / "x/y"));
}

TEST(RealDisk, ManyOpenFilesShareFewDescriptors) {
  const TemporaryFolder folder;
  auto& disk = Disk::real();
  set_most_descriptors(16);
  std::vector<std::unique_ptr<File>> files;
  for (int i = 0; i < 200; ++i) {
    files.push_back(*disk.open(folder.path() / std::to_string(i), Access::write));
    ASSERT_TRUE(files.back()->write(0, "number " + std::to_string(i)));
    ASSERT_TRUE(files.back()->sync());
    EXPECT_LE(descriptors(), 16u);
  }
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 200; ++i) {
      char text[32] = {};
      ASSERT_TRUE(files[static_cast<std::size_t>(i)]->read(0, text, sizeof text));
      EXPECT_EQ(text, "number " + std::to_string(i));
      EXPECT_LE(descriptors(), 16u);
    }
  files.clear();
  EXPECT_EQ(descriptors(), 0u);
  set_most_descriptors(1024);
}

TEST(RealDisk, GivesDescriptorsBackWhenConnectionsTookTheRest) {
  const TemporaryFolder folder;
  auto& disk = Disk::real();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &small), 0);
  std::vector<std::unique_ptr<File>> files;
  for (int i = 0; i < 20; ++i) {
    files.push_back(*disk.open(folder.path() / std::to_string(i), Access::write));
    ASSERT_TRUE(files.back()->write(0, "x"));
    ASSERT_TRUE(files.back()->sync());
  }
  std::vector<int> taken;
  for (int file = ::dup(0); file >= 0; file = ::dup(0))
    taken.push_back(file);  // what a flood of connections does
  EXPECT_TRUE(disk.open(folder.path() / "another", Access::write));
  char byte = 0;
  for (const auto& file : files) EXPECT_TRUE(file->read(0, &byte, 1));
  for (const auto file : taken) ::close(file);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace mamori::os
