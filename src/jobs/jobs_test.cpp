// Jobs on both engines, with several servers on one database.
#include "jobs/jobs.h"

#include <gtest/gtest.h>

#include <latch>
#include <set>

#include "jobs/follower.h"
#include "testing/clock.h"
#include "testing/postgres.h"

namespace mamori::jobs {
namespace {

using namespace std::chrono_literals;

const store::Actor kPerson{"u1", "山田 花子", "web"};

bool comes(const std::function<bool()>& what) {
  for (int i = 0; i < 2000 && !what(); ++i) std::this_thread::sleep_for(5ms);
  return what();
}

Kind kind_of(std::string name, std::vector<Task> tasks, std::function<Result<Done>(Turn&)> work) {
  Kind kind;
  kind.name = std::move(name);
  kind.tasks = [tasks = std::move(tasks)]() -> Result<std::vector<Task>> { return tasks; };
  kind.work = std::move(work);
  return kind;
}

class JobsOnBothEngines : public ::testing::TestWithParam<store::Engine> {
 protected:
  static constexpr Timing kTiming{.pace = 5ms, .plan = 20ms, .beat = 20ms, .doubt = 60s, .dead = 90s};

  std::unique_ptr<Jobs> server(Timing timing = kTiming) {
    auto opened = Jobs::open(*database_, timing);
    EXPECT_TRUE(opened) << (opened ? "" : describe(opened.error()));
    return std::move(opened).take();
  }
  void start(Jobs& jobs, const std::string& home) {
    const auto started = jobs.start({.home = home, .machine = home});
    ASSERT_TRUE(started) << describe(started.error());
  }
  Job the(const Jobs& jobs, const std::string& label) {
    const auto all = jobs.list(store::Scope::door("f1"), true);
    EXPECT_TRUE(all);
    for (const auto& job : *all)
      if (job.task.label == label) return job;
    return {};
  }

  testing::ManualClock clock_{*parse_instant("2026-11-21T03:00:00Z")};
  testing::FreshDatabase database_{GetParam(), clock_};
};
INSTANTIATE_TEST_SUITE_P(Engines, JobsOnBothEngines,
                         ::testing::Values(store::Engine::sqlite, store::Engine::postgresql),
                         [](const auto& chosen) {
                           return chosen.param == store::Engine::sqlite ? "SQLite" : "PostgreSQL";
                         });

TEST_P(JobsOnBothEngines, WhatIsDueIsDoneAgainAtItsTurnAndToldAbout) {
  const auto jobs = server();
  std::atomic<int> runs{0};
  jobs->add(kind_of("count", {{"f1", "a", "A", 1h, {}}}, [&](Turn& turn) -> Result<Done> {
    ++runs;
    EXPECT_EQ(turn.job().task.subject, "a");
    return Done{.result = {{"runs", runs.load()}}};
  }));
  start(*jobs, "one");
  ASSERT_TRUE(comes([&] { return the(*jobs, "A").history.size() == 1; }));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(runs, 1);
  clock_.advance(1h);
  ASSERT_TRUE(comes([&] { return the(*jobs, "A").history.size() == 2; }));
  const auto job = the(*jobs, "A");
  EXPECT_EQ(job.due, clock_.now() + 1h);
  EXPECT_EQ(job.last_success, clock_.now());
  EXPECT_EQ(job.history[0].result.at("runs"), 2);
  EXPECT_EQ(job.history[0].server, "one");
  EXPECT_FALSE(job.runs());
}

TEST_P(JobsOnBothEngines, OneThatFailsIsTriedAgainSoonerAndKeepsNoOtherFromItsTurn) {
  const auto jobs = server();
  std::atomic<bool> broken{true};
  std::atomic<int> other{0};
  jobs->add(kind_of(
      "mixed", {{"f1", "bad", "BAD", 24h, {}}, {"f1", "good", "GOOD", 1h, {}}, {"f1", "odd", "ODD", 24h, {}}},
      [&](Turn& turn) -> Result<Done> {
        if (turn.job().task.subject == "odd") throw std::runtime_error("odd");
        if (turn.job().task.subject == "good")
          ++other;
        else if (broken)
          return Error{ErrorKind::unavailable, "store.unreachable"};
        return Done{};
      }));
  start(*jobs, "one");
  ASSERT_TRUE(comes([&] { return the(*jobs, "BAD").failures == 1 && the(*jobs, "ODD").failures == 1; }));
  const auto failing = clock_.now();
  EXPECT_EQ(the(*jobs, "BAD").due, failing + 10min);
  EXPECT_EQ(the(*jobs, "BAD").history[0].error, "store.unreachable");
  EXPECT_EQ(the(*jobs, "ODD").history[0].error, "jobs.threw");
  clock_.advance(10min);
  ASSERT_TRUE(comes([&] { return the(*jobs, "BAD").failures == 2; }));
  EXPECT_EQ(the(*jobs, "BAD").due, clock_.now() + 20min);
  EXPECT_EQ(the(*jobs, "BAD").failing_since, failing);
  broken = false;
  clock_.advance(1h);
  ASSERT_TRUE(
      comes([&] { return the(*jobs, "BAD").failures == 0 && the(*jobs, "GOOD").history.size() == 2; }));
  EXPECT_FALSE(the(*jobs, "BAD").failing_since);
  EXPECT_EQ(other, 2);
}

TEST_P(JobsOnBothEngines, OneMayBeAskedForAndEndedByAPersonWhichTheJournalTells) {
  const auto jobs = server();
  jobs->add(kind_of("wait", {{"f1", "a", "A", {}, {}}}, [&](Turn& turn) -> Result<Done> {
    turn.progress(3, 10);
    EXPECT_EQ(turn.job().asked_by, kPerson.name);
    comes([&] { return turn.stopped(); });
    return Error{ErrorKind::unavailable, "store.unreachable"};
  }));
  start(*jobs, "one");
  ASSERT_TRUE(comes([&] { return !the(*jobs, "A").id.empty(); }));
  const auto id = the(*jobs, "A").id;
  EXPECT_FALSE(the(*jobs, "A").due);  // only when asked
  EXPECT_EQ(jobs->end(kPerson, store::Scope::door("f1"), id).error().code, "jobs.idle");
  ASSERT_TRUE(jobs->ask(kPerson, store::Scope::door("f1"), id));
  ASSERT_TRUE(comes([&] { return the(*jobs, "A").whole == 10; }));
  EXPECT_EQ(the(*jobs, "A").done, 3);
  EXPECT_EQ(jobs->ask(kPerson, store::Scope::door("f1"), id).error().code, "jobs.busy");
  EXPECT_EQ(jobs->now(kPerson, "wait", {"f1", "a", "A", {}, {}}, [](Turn&) -> Result<Done> { return Done{}; })
                .error()
                .code,
            "jobs.busy");
  ASSERT_TRUE(jobs->end(kPerson, store::Scope::door("f1"), id));
  ASSERT_TRUE(comes([&] { return !the(*jobs, "A").runs(); }));
  const auto job = the(*jobs, "A");
  EXPECT_EQ(job.history[0].error, "jobs.ended");
  EXPECT_EQ(job.history[0].by, kPerson.name);
  EXPECT_EQ(job.failures, 0);
  EXPECT_FALSE(job.due);
  auto lease = database_->read();
  const auto journal = store::read_journal(**lease, {.scope = store::Scope::door("f1"), .subject = "job"});
  ASSERT_EQ(journal->size(), 2u);
  EXPECT_EQ((*journal)[0].change.action, "ended");
  EXPECT_EQ((*journal)[1].change.action, "asked");
  EXPECT_EQ(jobs->ask(kPerson, store::Scope::door("f1"), "nobody").error().code, "jobs.missing");
  EXPECT_EQ(jobs->ask(kPerson, store::Scope::door("f2"), id).error().code, "jobs.missing") << "another's";
  EXPECT_EQ(jobs->end(kPerson, store::Scope::door("f2"), id).error().code, "jobs.missing");
}

TEST_P(JobsOnBothEngines, AThousandDueAtOnceOnTwoServersAreEachDoneOnce) {
  std::vector<Task> tasks;
  for (int i = 0; i < 1000; ++i) tasks.push_back({"f1", std::to_string(i), std::to_string(i), 1h, {}});
  std::mutex mutex;
  std::map<std::string, std::map<std::string, int>> runs;  // server → subject → times
  const auto one = server(), two = server();
  for (const auto& [jobs, name] : {std::pair(one.get(), "one"), std::pair(two.get(), "two")})
    jobs->add(kind_of("count", tasks, [&, name = std::string(name)](Turn& turn) -> Result<Done> {
      const std::lock_guard lock(mutex);
      ++runs[name][turn.job().task.subject];
      return Done{};
    }));
  start(*one, "one");
  start(*two, "two");
  const auto done = [&] {
    const std::lock_guard lock(mutex);
    return runs["one"].size() + runs["two"].size();
  };
  ASSERT_TRUE(comes([&] { return done() >= 1000; })) << done();
  std::this_thread::sleep_for(200ms);
  const std::lock_guard lock(mutex);
  std::map<std::string, int> all;
  for (const auto& [name, subjects] : runs)
    for (const auto& [subject, times] : subjects) all[subject] += times;
  EXPECT_EQ(all.size(), 1000u);
  for (const auto& [subject, times] : all) EXPECT_EQ(times, 1) << subject;
  EXPECT_FALSE(runs["one"].empty());
  EXPECT_FALSE(runs["two"].empty());
}

TEST_P(JobsOnBothEngines, WhatAServerHeldThatIsNotHeardAnyMoreIsTakenOverAndWhatItStillWritesDoesNotCount) {
  auto deaf = kTiming;
  deaf.beat = deaf.pace = 1h;  // as one that stands still: it works, but nobody hears it
  deaf.doubt = 24h;
  auto attentive = kTiming;
  attentive.dead = 300ms;
  const auto one = server(deaf), two = server(attentive);
  std::latch begun(1), taken_over(1);
  std::atomic<int> by_two{0};
  Status late;
  one->add(kind_of("long", {{"f1", "a", "A", 1h, {}}}, [&](Turn& turn) -> Result<Done> {
    EXPECT_TRUE(turn.keep_cursor("7"));
    begun.count_down();
    taken_over.wait();
    late = turn.keep_cursor("8");
    return Done{.result = {{"by", "one"}}};
  }));
  two->add(kind_of("long", {{"f1", "a", "A", 1h, {}}}, [&](Turn& turn) -> Result<Done> {
    EXPECT_EQ(turn.cursor(), "7");
    ++by_two;
    taken_over.count_down();
    comes([&] { return !late.has_value(); });
    return Done{.result = {{"by", "two"}}};
  }));
  start(*one, "one");
  begun.wait();
  start(*two, "two");
  ASSERT_TRUE(comes([&] { return !the(*two, "A").history.empty(); }));
  EXPECT_EQ(late.error().code, "jobs.lost");
  EXPECT_EQ(by_two, 1);
  std::this_thread::sleep_for(50ms);
  const auto job = the(*two, "A");
  ASSERT_EQ(job.history.size(), 1u);
  EXPECT_EQ(job.history[0].result.at("by"), "two");
}

TEST_P(JobsOnBothEngines, AServerThatStartsAgainGoesOnAtOnceWithWhatItHeldWhenItWasKilled) {
  auto dead = server(), other = server();
  const auto held_by = [&](const char* holder, const char* home) {
    auto transaction = database_->begin();
    ASSERT_TRUE((*transaction)->execute("INSERT INTO job_server VALUES (?,?,'',5)", {holder, home}));
    ASSERT_TRUE(
        (*transaction)
            ->execute(
                "INSERT INTO job VALUES (?,'count','','f1',?,?,3600000,0,?,0,'',?,0,0,0,NULL,NULL,'','[]')",
                {holder, holder, holder, holder, false}));
    ASSERT_TRUE(transaction->commit());
  };
  held_by("one:old", "one");
  held_by("three:old", "three");
  const auto jobs = server();
  jobs->add(kind_of("count", {{"f1", "one:old", "one:old", 1h, {}}, {"f1", "three:old", "three:old", 1h, {}}},
                    [](Turn&) -> Result<Done> { return Done{}; }));
  start(*jobs, "one");
  EXPECT_TRUE(comes([&] { return the(*jobs, "one:old").history.size() == 1; }));
  EXPECT_TRUE(the(*jobs, "three:old").history.empty());  // it may well live
}

TEST_P(JobsOnBothEngines, AtTheEndWhatRunsIsAskedToEndAndTheNextServerGoesOnFromItsMark) {
  auto one = server();
  std::atomic<bool> begun{false};
  one->add(kind_of("long", {{"f1", "a", "A", 1h, {}}}, [&](Turn& turn) -> Result<Done> {
    EXPECT_TRUE(turn.keep_cursor("41"));
    begun = true;
    comes([&] { return turn.stopped(); });
    return Error{ErrorKind::unavailable, "store.unreachable"};
  }));
  start(*one, "one");
  ASSERT_TRUE(comes([&] { return begun.load(); }));
  one->stop();
  one->join();
  auto job = the(*one, "A");
  EXPECT_FALSE(job.runs());
  EXPECT_TRUE(job.history.empty());
  EXPECT_EQ(job.failures, 0);
  EXPECT_EQ(job.due, clock_.now());
  one.reset();
  const auto two = server();
  two->add(kind_of("long", {{"f1", "a", "A", 1h, {}}}, [&](Turn& turn) -> Result<Done> {
    EXPECT_EQ(turn.cursor(), "41");
    return Done{};
  }));
  start(*two, "two");
  EXPECT_TRUE(comes([&] { return the(*two, "A").history.size() == 1; }));
}

TEST_P(JobsOnBothEngines, AServerThatCannotSayThatItLivesStopsItsWork) {
  auto timing = kTiming;
  timing.beat = 1h;
  timing.doubt = 200ms;
  const auto jobs = server(timing);
  std::atomic<bool> stopped{false};
  jobs->add(kind_of("long", {{"f1", "a", "A", 1h, {}}}, [&](Turn& turn) -> Result<Done> {
    stopped = comes([&] { return turn.stopped(); });
    return Error{ErrorKind::unavailable, "store.unreachable"};
  }));
  start(*jobs, "one");
  EXPECT_TRUE(comes([&] { return stopped.load(); }));
  EXPECT_TRUE(comes([&] { return !the(*jobs, "A").runs(); }));
  EXPECT_TRUE(the(*jobs, "A").history.empty());
}

TEST_P(JobsOnBothEngines, WhatLiesBesideAServerIsItsOwnWork) {
  const auto one = server(), two = server();
  std::mutex mutex;
  std::set<std::string> by;
  for (const auto& [jobs, name] : {std::pair(one.get(), "one"), std::pair(two.get(), "two")}) {
    auto kind =
        kind_of("disk", {{"", "", "", 1h, {}}}, [&, name = std::string(name)](Turn& turn) -> Result<Done> {
          EXPECT_EQ(turn.job().home, name);
          const std::lock_guard lock(mutex);
          by.insert(name);
          return Done{};
        });
    kind.here = true;
    jobs->add(std::move(kind));
  }
  start(*one, "one");
  start(*two, "two");
  EXPECT_TRUE(comes([&] {
    const std::lock_guard lock(mutex);
    return by.size() == 2;
  }));
  EXPECT_EQ(one->list(store::Scope::door("f1"), true)->size(), 2u);
  EXPECT_EQ(one->list(store::Scope::door("f1"), false)->size(), 0u);
}

TEST_P(JobsOnBothEngines, TasksComeAndGoAndChangeTheirTurns) {
  const auto jobs = server();
  std::mutex mutex;
  std::vector<Task> tasks = {{"f1", "a", "A", 24h, clock_.now() - 1h}, {"f1", "b", "B", 24h, {}}};
  Kind kind;
  kind.name = "moving";
  kind.tasks = [&]() -> Result<std::vector<Task>> {
    const std::lock_guard lock(mutex);
    return tasks;
  };
  std::atomic<int> runs{0};
  kind.work = [&](Turn&) -> Result<Done> {
    ++runs;
    return Done{};
  };
  jobs->add(std::move(kind));
  start(*jobs, "one");
  ASSERT_TRUE(comes([&] { return the(*jobs, "B").history.size() == 1; }));
  EXPECT_EQ(the(*jobs, "A").due, clock_.now() + 23h);  // done an hour ago, as its own table tells
  {
    const std::lock_guard lock(mutex);
    tasks = {{"f1", "a", "A anew", 30min, clock_.now() - 1h}};
  }
  EXPECT_TRUE(comes([&] { return the(*jobs, "A anew").history.size() == 1; }));
  EXPECT_TRUE(comes([&] { return jobs->list(store::Scope::door("f1"), true)->size() == 1; }));
  EXPECT_EQ(runs, 2);
}

TEST_P(JobsOnBothEngines, OneDoneByHandIsDoneByNobodyElseMeanwhile) {
  const auto one = server(), two = server();
  const Task task{"f1", "a", "A", {}, {}};
  const auto answer = one->now(kPerson, "read", task, [&](Turn&) -> Result<Done> {
    EXPECT_EQ(two->now(kPerson, "read", task, [](Turn&) -> Result<Done> { return Done{}; }).error().code,
              "jobs.busy");
    return Done{.result = {{"rows", 5}}};
  });
  ASSERT_TRUE(answer) << describe(answer.error());
  EXPECT_EQ(answer->at("rows"), 5);
  EXPECT_TRUE(two->now(kPerson, "read", task, [](Turn&) -> Result<Done> { return Done{}; }));
  const auto failed = two->now(kPerson, "read", task, [](Turn&) -> Result<Done> {
    return Error{ErrorKind::invalid, "store.url"};
  });
  EXPECT_EQ(failed.error().code, "store.url");
  EXPECT_EQ(the(*one, "A").history.size(), 3u);
}

TEST_P(JobsOnBothEngines, TwoThatAreFirstAtTheSameMomentBeginOnce) {
  for (int round = 0; round < 20; ++round) {
    const auto jobs = server();
    jobs->add(kind_of("read", {}, [](Turn&) -> Result<Done> { return Done{}; }));
    std::latch both(2);
    const auto ask = [&](const std::string& subject) {
      both.arrive_and_wait();
      const auto answer = jobs->now(kPerson, "read", {"f1", subject, subject, {}, {}},
                                    [](Turn&) -> Result<Done> { return Done{}; });
      EXPECT_TRUE(answer) << describe(answer.error());
    };
    std::thread other([&] { ask("b"); });
    ask("a");
    other.join();
  }
}

TEST_P(JobsOnBothEngines, AFollowerIsToldEverythingInOrderAtLeastOnce) {
  const auto jobs = server();
  JournalTail tail(*database_);
  std::mutex mutex;
  std::vector<std::int64_t> told;
  std::atomic<bool> break_next{false};
  auto kind =
      kind_of("follow", {{"f1", "", "F", 1h, {}}},
              following([&](const Task& task, std::int64_t mark, std::stop_token) -> Result<std::int64_t> {
                auto lease = MAMORI_TRY(database_->read());
                const auto entries = MAMORI_TRY(store::read_journal_after(*lease, task.facility, mark, 2));
                for (const auto& entry : entries) {
                  const std::lock_guard lock(mutex);
                  told.push_back(entry.sequence);
                }
                if (!entries.empty() && break_next.exchange(false))
                  return Error{ErrorKind::unavailable, "store.unreachable"};
                return entries.empty() ? mark : entries.back().sequence;
              }));
  kind.hastens = [&]() -> Result<std::vector<std::pair<std::string, std::string>>> {
    std::vector<std::pair<std::string, std::string>> out;
    for (auto& facility : MAMORI_TRY(tail.facilities())) out.emplace_back(std::move(facility), "");
    return out;
  };
  jobs->add(std::move(kind));
  start(*jobs, "one");
  ASSERT_TRUE(comes([&] { return the(*jobs, "F").history.size() == 1; }));
  const auto write = [&](const std::string& facility, int times) {
    auto transaction = database_->begin();
    for (int i = 0; i < times; ++i)
      transaction->journal(kPerson, {facility, "thing", std::to_string(i), "made", "", "", ""});
    ASSERT_TRUE(transaction->commit());
  };
  write("f1", 5);
  write("f2", 3);  // another's: not told
  const auto so_far = [&] {
    const std::lock_guard lock(mutex);
    return told;
  };
  EXPECT_TRUE(comes([&] { return so_far() == std::vector<std::int64_t>{1, 2, 3, 4, 5}; })) << so_far().size();
  break_next = true;
  write("f1", 2);
  EXPECT_TRUE(comes([&] { return the(*jobs, "F").failures == 1; }));
  clock_.advance(1h);
  EXPECT_TRUE(comes([&] { return so_far() == std::vector<std::int64_t>{1, 2, 3, 4, 5, 9, 10, 9, 10}; }))
      << so_far().size();
  EXPECT_TRUE(comes([&] { return the(*jobs, "F").cursor == "10"; }));
}

// What comes behind the last look of a run must not wait for the next turn.
TEST_P(JobsOnBothEngines, WhatMakesAJobDueWhileItIsDoneIsDoneRightAfter) {
  const auto jobs = server();
  std::atomic<bool> name_it{false};
  std::atomic<int> runs{0};
  std::latch go(1);
  auto kind = kind_of("follow", {{"f1", "", "F", 1h, {}}}, [&](Turn&) -> Result<Done> {
    if (++runs == 1) go.wait();
    return Done{};
  });
  kind.hastens = [&]() -> Result<std::vector<std::pair<std::string, std::string>>> {
    std::vector<std::pair<std::string, std::string>> out;
    if (name_it.exchange(false)) out.emplace_back("f1", "");
    return out;
  };
  jobs->add(std::move(kind));
  start(*jobs, "one");
  ASSERT_TRUE(comes([&] { return runs == 1; }));
  name_it = true;
  ASSERT_TRUE(comes([&] { return !name_it && the(*jobs, "F").due.has_value(); }));
  go.count_down();
  EXPECT_TRUE(comes([&] { return runs == 2 && the(*jobs, "F").history.size() == 2; }));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace mamori::jobs
