// The marks of the product on this machine. Each line: figure, mark, and the ratio to a peer or limit taken
// in the same run: SQLite itself inserting or scanning the same rows without us, and a program that does
// nothing for the start.
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "api/first_use.h"
#include "api/routes.h"
#include "ledger/import.h"
#include "ledger/observed.h"
#include "marks.h"
#include "os/process.h"
#include "server/wiring.h"

namespace {

using namespace mamori;
using namespace bench;

std::string asset_csv(int rows) {
  std::string csv =
      "種別,管理番号,メーカー,型番,シリアル番号,ホスト名,管理場所,管理責任者,IPアドレス,MACアドレス,購入日,"
      "備考\n";
  for (int i = 0; i < rows; ++i)
    csv += fmt::format(
        "{},PC-{:06},富士通,ESPRIMO "
        "D{},SN{:08},pc{:06},医事課,医事課長,10.{}.{}.{},02:00:{:02X}:{:02X}:{:02X}:01,令和{}年{}月{}日,{}\n",
        i % 9 ? "パソコン" : "ノートPC", i + 1, i % 40, i * 7, i, i / 62500, i / 250 % 250, 1 + i % 250,
        i >> 16 & 255, i >> 8 & 255, i & 255, 1 + i % 7, 1 + i % 12, 1 + i % 28,
        i % 5 ? "" : "2023/5/8 業者点検");
  return csv;
}

// SQLite alone: the same cells into one table, one transaction.
double sqlite_insert(const std::string& file, const std::vector<std::vector<std::string>>& rows) {
  return milliseconds([&] {
    sqlite3* database = nullptr;
    sqlite3_open(file.c_str(), &database);
    sqlite3_exec(
        database,
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (a,b,c,d,e,f,g,h,i,j,k,l); BEGIN",
        nullptr, nullptr, nullptr);
    sqlite3_stmt* statement = nullptr;
    sqlite3_prepare_v2(database, "INSERT INTO t VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", -1, &statement, nullptr);
    for (const auto& row : rows) {
      for (std::size_t i = 0; i < 12; ++i)
        sqlite3_bind_text(statement, static_cast<int>(i + 1), i < row.size() ? row[i].c_str() : "", -1,
                          SQLITE_STATIC);
      sqlite3_step(statement);
      sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr);
    sqlite3_close(database);
  });
}

void measure_ledger(const std::filesystem::path& source) {
  const TemporaryFolder folder;
  SystemClock clock;
  const auto installation =
      must(server::Installation::open(folder.path(), "", "", {source / "data", source / "web"}, clock));
  auto& services = installation->services();
  const auto first = must(api::first_use(
      services, {"計測病院", "hospital", 800, true, "bench", "計測", Secret("mizu-Umi7 kaze&Tsuki")},
      "bench"));
  const store::Actor actor{"", "bench", "bench"};
  const auto& assets = *must(services.ledger.find_register("asset"));

  const auto csv = asset_csv(20'000);
  std::vector<sheet::Table> tables;
  const double import = milliseconds([&] {
    tables = must(sheet::read_tables(csv));
    const auto plan = must(ledger::plan_import(services.ledger, assets, first.facility, tables, {}));
    must(ledger::apply_import(services.ledger, actor, assets, first.facility, plan, "bench.csv"));
  });
  line("import of 20,000 asset rows (SQLite)", import, "ms", 3000, "SQLite alone",
       sqlite_insert((folder.path() / "peer.db").string(), tables[0].rows));

  // 100,000 records
  std::vector<json::object> records;
  for (int i = 20'000; i < 100'000; ++i)
    records.push_back({{"kind", "pc"},
                       {"number", fmt::format("PC-{:06}", i + 1)},
                       {"maker", "NEC"},
                       {"place", "医局"},
                       {"responsible", "医局長"},
                       {"state", "in_use"}});
  {
    auto transaction = must(services.database.begin());
    if (!services.ledger.create_many(transaction, actor, assets, first.facility, std::move(records), "bench",
                                     nullptr) ||
        !transaction.commit())
      std::exit(1);
  }
  double page = 1e9, raw = 1e9, search = 1e9;
  for (int i = 0; i < 5; ++i) {
    page = std::min(
        page, milliseconds([&] {
          must(services.ledger.list(assets, {.scope = store::Scope::door(first.facility), .limit = 50}));
        }));
    search = std::min(
        search, milliseconds([&] {
          must(services.ledger.list(
              assets, {.scope = store::Scope::door(first.facility), .text = "10.0.77", .limit = 50}));
        }));
    auto lease = must(services.database.read());
    raw = std::min(raw,
                   milliseconds([&] { must(lease->query("SELECT * FROM r_asset ORDER BY id LIMIT 50")); }));
  }
  line("first page of a list of 100,000 records", page, "ms", 50, "50 rows by primary key", raw);
  line("search in 100,000 records, first page", search, "ms", 200, "50 rows by primary key", raw);
}

void measure_controls(const std::filesystem::path& source) {
  const TemporaryFolder folder;
  SystemClock clock;
  const auto installation =
      must(server::Installation::open(folder.path(), "", "", {source / "data", source / "web"}, clock));
  auto& services = installation->services();
  const auto first = must(api::first_use(
      services, {"計測病院", "hospital", 800, true, "bench", "計測", Secret("mizu-Umi7 kaze&Tsuki")},
      "bench"));
  const store::Actor actor{"", "bench", "bench"};
  const auto add = [&](const char* name, int count, const std::function<json::object(int)>& make) {
    std::vector<json::object> records;
    for (int i = 0; i < count; ++i) records.push_back(make(i));
    std::vector<std::string> ids;
    auto transaction = must(services.database.begin());
    if (!services.ledger.create_many(transaction, actor, *must(services.ledger.find_register(name)),
                                     first.facility, std::move(records), "bench", &ids) ||
        !transaction.commit())
      std::exit(1);
    return ids;
  };
  const auto now = clock.now();
  const auto people = add("person", 20'000, [](int i) {
    return json::object{{"name", fmt::format("職員{}", i)},
                        {"staff_number", fmt::format("{}", i)},
                        {"joined_on", "2015-04-01"}};
  });
  const auto devices = add("asset", 5'000, [](int i) {
    return json::object{{"kind", i % 10   ? "pc"
                                 : i % 20 ? "server"
                                          : "network"},
                        {"place", "医局"},
                        {"responsible", "医局長"},
                        {"state", "in_use"},
                        {"patched_on", "2026-10-01"},
                        {"antivirus", "active"},
                        {"definitions_on", "2026-11-18"}};
  });
  add("account", 20'000, [&](int i) {
    return json::object{{"login", fmt::format("u{}", i)},
                        {"person", people[static_cast<std::size_t>(i)]},
                        {"kind", "personal"},
                        {"enabled", true}};
  });
  add("observed_account", 20'000, [&](int i) {
    return json::object{{"source", "ad"},
                        {"login", fmt::format("u{}", i)},
                        {"person", people[static_cast<std::size_t>(i)]},
                        {"enabled", true},
                        {"present", true},
                        {"privileged", i % 500 == 0},
                        {"last_logon_at", iso_instant(now)},
                        {"observed_at", iso_instant(now)}};
  });
  add("observed_host", 5'000, [&](int i) {
    return json::object{{"source", "scan"},
                        {"ip", fmt::format("10.0.{}.{}", i / 250, 1 + i % 250)},
                        {"asset", devices[static_cast<std::size_t>(i)]},
                        {"present", true},
                        {"observed_at", iso_instant(now)}};
  });
  {
    auto transaction = must(services.database.begin());
    for (const auto* name : {"observed_account", "observed_host"})
      if (!ledger::note_reading(*transaction, *must(services.ledger.find_register(name)), first.facility,
                                {{"bench", "bench"}, now, 1}))
        std::exit(1);
    if (!transaction.commit()) std::exit(1);
  }
  double scan = 0;
  {
    auto lease = must(services.database.read());
    scan = milliseconds([&] {
      must(lease->query("SELECT SUM(LENGTH(search)) FROM r_asset"));
      must(lease->query("SELECT SUM(LENGTH(search)) FROM r_account"));
      must(lease->query("SELECT SUM(LENGTH(search)) FROM r_observed_account"));
    });
  }
  const double controls = milliseconds([&] { must(services.assessor.controls().all(first.facility)); });
  line(fmt::format("all {} controls, 5,000 devices, 20,000 accounts", services.catalog.controls().size()),
       controls, "ms", 1000, "one scan of the three tables", scan);
  {
    auto transaction = must(services.database.begin());
    must(transaction->execute("UPDATE r_observed_account SET person = NULL"));
    transaction.touch(first.facility, "observed_account");
    if (!transaction.commit()) std::exit(1);
  }
  line("the same before any account is bound to a person",
       milliseconds([&] { must(services.assessor.controls().all(first.facility)); }), "ms", 2000,
       "one scan of the three tables", scan);
  const double again = milliseconds([&] { must(services.assessor.controls().all(first.facility)); });
  line("the same while nothing changes", again, "ms", 50, "one scan of the three tables", scan);
  const auto whole = services.assessor.controls().asked();
  {
    auto transaction = must(services.database.begin());
    must(transaction->execute("UPDATE r_asset SET place = '外来' WHERE id = ?", {devices[0]}));
    transaction.touch(first.facility, "asset");
    if (!transaction.commit()) std::exit(1);
  }
  const double one = milliseconds([&] { must(services.assessor.controls().all(first.facility)); });
  line("the same when one device has changed", one, "ms", 500, "one scan of the three tables", scan);
  line("statements run for it", static_cast<double>(services.assessor.controls().asked() - whole), "", 120,
       "all controls anew", static_cast<double>(services.catalog.controls().size() * 2));
}

// What a user over a whole country costs beside a user of one clinic.
void measure_many(const std::filesystem::path& source) {
  const TemporaryFolder folder;
  SystemClock clock;
  const auto installation =
      must(server::Installation::open(folder.path(), "", "", {source / "data", source / "web"}, clock));
  auto& services = installation->services();
  const Secret password("mizu-Umi7 kaze&Tsuki");
  const auto first =
      must(api::first_use(services, {"計測病院", "hospital", 800, true, "one", "計測", password}, "bench"));
  const store::Actor actor{"", "bench", "bench"};
  {
    std::vector<json::object> facilities;
    for (int i = 0; i < 180'000; ++i)
      facilities.push_back({{"name", fmt::format("第{}診療所", i)},
                            {"kind", "clinic"},
                            {"prefecture", fmt::format("{:02}", 1 + i % 47)}});
    auto transaction = must(services.database.begin());
    if (!services.ledger.create_many(transaction, actor, *must(services.ledger.find_register("facility")), "",
                                     std::move(facilities), "bench", nullptr) ||
        !transaction.commit())
      std::exit(1);
  }
  must(services.users.create(actor, {"all", "国", password, {{"*", {identity::Role::inspector}}}}, {}));
  must(services.users.create(actor,
                             {"some", "県", password, {{"prefecture:13", {identity::Role::inspector}}}}, {}));
  const auto opens = [&](const char* login) {
    const auto token = must(services.users.sign_in(login, password, "", "127.0.0.1", "bench")).token.reveal();
    const auto ask = [&](const std::string& path, const std::string& facility) {
      http::Request request;
      request.path = path;
      request.remote = "127.0.0.1";
      if (!facility.empty()) request.query["facility"] = facility;
      request.headers["cookie"] = std::string(api::kSessionCookie) + "=" + token;
      const auto reply = api::dispatch(request, services);
      if (reply.status != 200) std::exit(1);
      return must(parse_json_object(reply.body));
    };
    const auto me = ask("/api/v1/session", "");
    const std::string facility(me.at("facilities").at(0).at("id").as_string());
    double best = 1e9;
    for (int i = 0; i < 5; ++i)
      best = std::min(best, milliseconds([&] {
                        ask("/api/v1/session", "");
                        ask("/api/v1/registers", facility);
                        ask("/api/v1/today", facility);
                      }));
    return best;
  };
  const auto one = opens("one");
  line("Today opens, a user over 180,000 facilities", opens("all"), "ms", 300, "a user of one", one);
  line("Today opens, a user over a prefecture's 3,830", opens("some"), "ms", 300, "a user of one", one);
}

void measure_start(const std::string& program) {
  const TemporaryFolder folder;
  must(os::run_process({program, "demo", "--data", folder.path()}, {.limit = std::chrono::seconds(60)}));
  const double nothing = milliseconds([&] { must(os::run_process({"true"})); });
  const std::string port = "18431", url = "http://127.0.0.1:" + port + "/healthz";
  pid_t child = 0;
  const double start = milliseconds([&] {
    std::fflush(stdout);
    child = ::fork();
    if (child == 0) {
      if (!::freopen("/dev/null", "w", stdout)) ::_exit(126);
      ::execl(program.c_str(), program.c_str(), "serve", "--data", folder.path().c_str(), "--port",
              port.c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 500; ++i) {
      const auto answer = os::run_process({"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url});
      if (answer && answer->out == "200") return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  line("start to first answer (demonstration hospital)", start, "ms", 1000, "a program that does nothing",
       nothing);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  std::ifstream status("/proc/" + std::to_string(child) + "/status");
  std::string word;
  double resident = 0;
  while (status >> word)
    if (word == "VmRSS:") status >> resident;
  line("idle memory", resident / 1024, "MB", 80, "its executable",
       static_cast<double>(std::filesystem::file_size(program)) / 1048576);
  ::kill(child, SIGTERM);
  ::waitpid(child, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: marks SOURCE-DIRECTORY MAMORI-PROGRAM (see bench/run)\n");
    return 2;
  }
  measure_ledger(argv[1]);
  measure_controls(argv[1]);
  measure_many(argv[1]);
  measure_start(argv[2]);
  bench::measure_jobs();
  bench::measure_lanes(argv[2]);
  double pages = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::filesystem::path(argv[1]) / "web/dist"))
    if (entry.path().extension() == ".gz") pages += static_cast<double>(entry.file_size()) / 1024;
  line("web start page, compressed", pages, "KB", 250, "mark", 250);
}
