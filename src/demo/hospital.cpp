#include "demo/hospital.h"

#include <fmt/format.h>

#include <array>

#include "base/yaml.h"
#include "demo/records.h"
#include "ledger/observed.h"
#include "readers/backup/backup.h"
#include "readers/ldap/entry.h"
#include "readers/nmap/nmap.h"

namespace mamori::demo {
namespace {

constexpr int kStaff = 650, kLeavers = 12, kVendors = 25;
constexpr std::array kSurnames = {"佐藤", "鈴木", "高橋", "田中",   "伊藤", "渡辺", "山本", "中村", "小林",
                                  "加藤", "吉田", "山田", "佐々木", "山口", "松本", "井上", "木村", "林",
                                  "斎藤", "清水", "森",   "池田",   "橋本", "阿部", "石川"};
constexpr std::array kGiven = {"花子", "太郎", "美咲", "健一", "陽子",   "大輔", "恵",   "翔太", "由美",
                               "誠",   "愛",   "拓也", "直樹", "真由美", "浩",   "智子", "亮",   "久美子",
                               "隆",   "沙織", "剛",   "彩",   "学",     "優",   "修",   "明美"};
constexpr std::array kDepartments = {"医事課",
                                     "総務課",
                                     "医局",
                                     "看護部",
                                     "外来",
                                     "3階病棟",
                                     "4階病棟",
                                     "5階病棟",
                                     "手術室",
                                     "放射線科",
                                     "検査科",
                                     "薬剤部",
                                     "リハビリテーション科",
                                     "栄養科",
                                     "地域連携室",
                                     "情報管理室"};
constexpr std::array kJobs = {"医師",           "看護師",     "薬剤師", "臨床検査技師",
                              "診療放射線技師", "理学療法士", "医事",   "事務"};
const store::Actor kActor{"", "デモ生成", "demo"};

// SplitMix64: small, and the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  int below(int limit) { return static_cast<int>(next() % static_cast<std::uint64_t>(limit)); }
  template <class List>
  auto pick(const List& list) {
    return list[static_cast<std::size_t>(below(static_cast<int>(list.size())))];
  }

 private:
  std::uint64_t state_;
};

struct Device {
  std::string id, number, kind, ip, mac, hostname;
};

class Builder {
 public:
  Builder(const Parts& parts, std::uint64_t seed)
      : parts_(parts), random_(seed), now_(parts.ledger.database().clock().now()), today_(date_of(now_)) {}

  Result<Hospital> build() {
    Hospital hospital;
    MAMORI_TRY(files());
    MAMORI_TRY(begin());
    MAMORI_TRY(facility());
    MAMORI_TRY(people());
    MAMORI_TRY(vendors());
    MAMORI_TRY(systems());
    MAMORI_TRY(devices());
    MAMORI_TRY(network());
    MAMORI_TRY(access());
    MAMORI_TRY(backups());
    MAMORI_TRY(paper());
    if (!files_.empty())
      return files_.begin()->second.error("the demonstration has no place for this register");
    MAMORI_TRY(transaction_->commit());
    transaction_.reset();
    MAMORI_TRY(readings());
    MAMORI_TRY(logs());
    MAMORI_TRY(declarations());
    hospital.facility = facility_;
    hospital.sign_ins = MAMORI_TRY(users());
    return hospital;
  }

 private:
  Status files() {
    for (const auto& file : MAMORI_TRY(load_yaml_folder(parts_.records))) {
      const auto name = MAMORI_TRY(file.required_text("register"));
      if (!parts_.ledger.find_register(name)) return file.error("unknown register: " + name);
      if (!files_.emplace(name, file).second) return file.error("a second file of this register: " + name);
    }
    return {};
  }

  Status begin() {
    transaction_.emplace(MAMORI_TRY(parts_.ledger.database().begin()));
    return {};
  }

  std::string ago(int days) const { return iso_date(add_days(today_, -days)); }
  std::string in(int days) const { return iso_date(add_days(today_, days)); }
  std::string instant_ago(int hours) const { return iso_instant(now_ - std::chrono::hours(hours)); }

  // Adds records to a register; returns their ids. Fields are checked like anyone's input.
  Result<std::vector<std::string>> add(std::string_view name, std::vector<json::object> records) {
    const auto* reg = MAMORI_TRY(parts_.ledger.find_register(name));
    std::vector<json::object> checked;
    for (auto& fields : records) {
      const auto number = text_of(fields, "number");
      for (const auto& field : reg->fields)
        if (!field.initial.empty() && !fields.contains(field.name)) fields[field.name] = field.initial;
      auto kept = MAMORI_TRY(ledger::Ledger::check(
          *reg, fields, {},
          [](const ledger::Field&, const std::string& id) -> Result<std::string> { return id; }));
      if (!number.empty()) kept["number"] = number;
      checked.push_back(std::move(kept));
    }
    return insert(*reg, std::move(checked));
  }

  // Adds the records of data/demo/records/NAME.yaml; returns their ids.
  Result<std::vector<std::string>> from_file(const std::string& name) {
    const auto file = files_.find(name);
    if (file == files_.end())
      return Error{ErrorKind::invalid,
                   "base.yaml.bad",
                   {{"file", (parts_.records / (name + ".yaml")).string()},
                    {"line", "0"},
                    {"reason", "missing: the demonstration's records of " + name}}};
    const auto* reg = MAMORI_TRY(parts_.ledger.find_register(name));
    auto records = MAMORI_TRY(
        read_records(file->second, *reg, now_, [&](const ledger::Field& field, const std::string& text) {
          return parts_.ledger.resolve(**transaction_, facility_, field, text);
        }));
    files_.erase(file);
    return insert(*reg, std::move(records));
  }

  Result<std::vector<std::string>> insert(const ledger::Register& reg, std::vector<json::object> records) {
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < records.size(); ++i)
      ids.push_back(fmt::format("demo-{}-{:05}", reg.name, ++counters_[reg.name]));
    MAMORI_TRY(
        parts_.ledger.create_many(*transaction_, kActor, reg, facility_, std::move(records), "demo", &ids));
    return ids;
  }

  Status facility() {
    facility_ = "demo-facility-00001";
    MAMORI_TRY(from_file("facility"));
    const auto sites = MAMORI_TRY(from_file("site"));
    safe_site_ = sites[1];
    std::vector<json::object> records;
    for (const auto* name : kDepartments)
      records.push_back({{"name", name}, {"head", std::string(name) + "長"}});
    departments_ = MAMORI_TRY(add("department", std::move(records)));
    return {};
  }

  Status people() {
    std::vector<json::object> records;
    for (int i = 0; i < kStaff + kLeavers; ++i) {
      json::object person = {
          {"staff_number", fmt::format("{:05}", 10001 + i)},
          {"name", std::string(random_.pick(kSurnames)) + " " + random_.pick(kGiven)},
          {"job", random_.pick(kJobs)},
          {"department",
           departments_[static_cast<std::size_t>(random_.below(static_cast<int>(departments_.size())))]},
          {"joined_on", ago(400 + random_.below(6000))},
          {"email", fmt::format("s{:05}@minato.example", 10001 + i)}};
      if (i >= kStaff) person["left_on"] = ago(20 + (i - kStaff) * 15);
      records.push_back(std::move(person));
    }
    records[0]["post"] = "院長";
    records[1]["post"] = "副院長";
    records[2]["post"] = "情報管理室長";
    records[3]["post"] = "情報管理室主任";
    people_ = MAMORI_TRY(add("person", std::move(records)));
    MAMORI_TRY(from_file("role_assignment"));
    const auto ids = MAMORI_TRY(from_file("training"));
    std::vector<json::object> attendance;
    for (int i = 0; i < kStaff; ++i) {
      if (i % 90 == 89) continue;  // defect: 7 of 650 took part in neither
      attendance.push_back({{"training", ids[static_cast<std::size_t>(i % 2)]},
                            {"person", people_[static_cast<std::size_t>(i)]},
                            {"attended_on", ago(i % 2 ? 40 : 210)},
                            {"result", "attended"}});
    }
    MAMORI_TRY(add("attendance", std::move(attendance)));
    return {};
  }

  Status vendors() {
    static constexpr std::array kNames = {"みらいメディカルシステムズ",
                                          "画像情報サービス",
                                          "検査システム工業",
                                          "医事コンピュータ",
                                          "東西ネットワーク",
                                          "港湾電子保守",
                                          "薬剤情報",
                                          "看護支援ラボ",
                                          "予約管理",
                                          "地域連携クラウド",
                                          "生体モニタ",
                                          "放射線機器",
                                          "超音波機器",
                                          "内視鏡機器",
                                          "分析装置",
                                          "輸液ポンプ",
                                          "複合機サービス",
                                          "監視映像",
                                          "無線通信",
                                          "電源設備",
                                          "廃棄処理センター",
                                          "資産管理ソフト",
                                          "端末レンタル",
                                          "給食システム",
                                          "勤怠クラウド"};
    std::vector<json::object> records;
    const auto checklist = std::max(fmt::format("{:04}-04-01", fiscal_year(today_)), ago(60));
    for (int i = 0; i < kVendors; ++i) {
      records.push_back({{"name", std::string("株式会社") + kNames[static_cast<std::size_t>(i)]},
                         {"service", "保守"},
                         {"certification", i % 3 ? "isms" : "both"},
                         {"certification_until", in(300 + i * 10)},
                         {"guideline_agreed", true},
                         {"manager", std::string(random_.pick(kSurnames)) + " " + random_.pick(kGiven)},
                         {"phone", fmt::format("03-0000-{:04}", 1000 + i)},
                         {"phone_24h", fmt::format("090-0000-{:04}", 1000 + i)},
                         {"email", fmt::format("support{}@vendor.example", i)},
                         {"remote_confirmed_on", ago(100)},
                         {"vpn_asked_on", ago(100)},
                         {"checklist_on", checklist},
                         {"talked_on", ago(130)},
                         {"called_on", ago(130)},
                         {"backup_paper", true}});
    }
    records[15]["certification_until"] = ago(45);  // defect: certificate expired
    vendors_ = MAMORI_TRY(add("vendor", std::move(records)));
    std::vector<json::object> contracts;
    for (int i = 0; i < kVendors; ++i)
      contracts.push_back({{"name", std::string(kNames[static_cast<std::size_t>(i)]) + " 保守契約"},
                           {"vendor", vendors_[static_cast<std::size_t>(i)]},
                           {"starts_on", ago(300)},
                           {"ends_on", in(400 + i)},
                           {"split_defined", true},
                           {"reviewed_on", ago(120)},
                           {"disposal", i == 20}});
    const auto ids = MAMORI_TRY(add("contract", std::move(contracts)));
    std::vector<json::object> clauses;
    for (const auto& id : ids)
      for (int code = 1; code <= 45; ++code)
        clauses.push_back({{"contract", id},
                           {"code", fmt::format("CON-{:02}", code)},
                           {"state", code >= 41 && code <= 43 ? "not_applicable" : "present"},
                           {"page", fmt::format("{}", 1 + code / 6)}});
    MAMORI_TRY(add("clause", std::move(clauses)));
    std::vector<json::object> work;
    for (int i = 0; i < 30; ++i)
      work.push_back({{"vendor", vendors_[static_cast<std::size_t>(i % 6)]},
                      {"kind", i % 3 ? "remote" : "on_site"},
                      {"done_on", ago(10 + i * 9)},
                      {"worker", "保守担当者"},
                      {"work", "定期点検"},
                      {"approved_on", ago(12 + i * 9)},
                      {"confirmed_on", ago(9 + i * 9)},
                      {"log_compared", true},
                      {"personal_data", false},
                      {"result", "異常なし"}});
    MAMORI_TRY(add("maintenance", std::move(work)));
    return {};
  }

  Status systems() {
    struct Row {
      const char* name;
      const char* kind;
      int vendor;
    };
    static constexpr std::array kSystems = {Row{"電子カルテ", "chart", 0},
                                            Row{"オーダリング", "order", 0},
                                            Row{"PACS", "pacs", 1},
                                            Row{"検体検査", "lab", 2},
                                            Row{"医事会計", "billing", 3},
                                            Row{"薬剤部門", "pharmacy", 6},
                                            Row{"看護支援", "nursing", 7},
                                            Row{"受付・予約", "reception", 8},
                                            Row{"地域連携", "regional", 9},
                                            Row{"生体情報モニタ", "department", 10},
                                            Row{"内視鏡部門", "department", 13},
                                            Row{"給食", "department", 23}};
    std::vector<json::object> records;
    int order = 0;
    for (const auto& row : kSystems)
      records.push_back({{"name", row.name},
                         {"kind", row.kind},
                         {"vendor", vendors_[static_cast<std::size_t>(row.vendor)]},
                         {"responsible", people_[static_cast<std::size_t>(2 + order % 5)]},
                         {"patient_data", true},
                         {"manual_at", "情報管理室 棚B"},
                         {"storage_place", "院内サーバ"},
                         {"access_log", "kept"},
                         {"login_means", "password"},
                         {"auto_lock_minutes", 10},
                         {"signature", "none"},
                         {"measures_by", "with_vendor"},
                         {"monitored", true},
                         {"two_factor", "planned"},
                         {"two_factor_on", "2027-10-01"},
                         {"recovery_order", ++order},
                         {"rto_hours", 24 * order},
                         {"rpo_hours", 24},
                         {"care_information", "直近の診療情報、処方、アレルギー、検査結果"},
                         {"update_plan", "四半期ごとに事業者が適用し、情報管理室が確認する"}});
    records[0]["two_factor"] = "used";
    records[0]["login_means"] = "ic_card";
    records[0]["login_rule"] = "運用管理規程 4.2";
    records[0]["login_fallback"] = "情報管理室が当日限りのカードを貸与";
    records[8]["two_factor"] = "none";  // defect: no plan for two factors
    records.push_back({{"name", "財務会計"},
                       {"kind", "accounting"},
                       {"patient_data", false},
                       {"excluded_reason", "患者情報を含まない会計のみのシステムのため"}});
    systems_ = MAMORI_TRY(add("system", std::move(records)));
    std::vector<json::object> rules;
    for (std::size_t i = 0; i < 4; ++i)  // chart, order entry, PACS, laboratory
      for (const auto* aspect : {"confirmation", "confirmers", "alteration", "automatic", "history", "proxy",
                                 "devices", "readability"})
        rules.push_back({{"system", systems_[i]},
                         {"aspect", aspect},
                         {"rule", "運用管理規程 第5章による"},
                         {"responsible", people_[2]},
                         {"reviewed_on", ago(100)}});
    MAMORI_TRY(add("record_rule", std::move(rules)));
    std::vector<json::object> disclosures;
    for (std::size_t i = 0; i < kSystems.size(); ++i) {
      if (i == 10) continue;  // defect: MDS of the endoscopy system is missing
      disclosures.push_back({{"vendor", vendors_[static_cast<std::size_t>(kSystems[i].vendor)]},
                             {"system", systems_[i]},
                             {"kind", i == 8 ? "sds" : "mds"},
                             {"edition", "Ver.5.0"},
                             {"received_on", ago(200)},
                             {"irreversible_passwords", true}});
    }
    MAMORI_TRY(add("disclosure", std::move(disclosures)));
    return {};
  }

  Status network() {
    const auto vpn = [&](std::ptrdiff_t number) {
      return std::next(std::find_if(devices_.begin(), devices_.end(),
                                    [](const Device& device) { return device.kind == "vpn"; }),
                       number)
          ->id;
    };
    MAMORI_TRY(from_file("segment"));
    MAMORI_TRY(add("connection", {{{"name", "インターネット"},
                                   {"kind", "internet"},
                                   {"route_reason", "外部サービスの利用のため"},
                                   {"vendor", vendors_[4]},
                                   {"firewall", true},
                                   {"source_restricted", true},
                                   {"admin_closed", true},
                                   {"confirmed_on", ago(90)},
                                   {"approved_on", ago(800)},
                                   {"approved_by", "情報管理室長"},
                                   {"risk_assessed_on", ago(90)}},
                                  {{"name", "電子カルテ保守VPN"},
                                   {"kind", "ipsec_vpn"},
                                   {"asset", vpn(2)},
                                   {"vendor", vendors_[0]},
                                   {"firewall", true},
                                   {"source_restricted", true},
                                   {"admin_closed", true},
                                   {"confirmed_on", ago(90)},
                                   {"approved_on", ago(800)},
                                   {"approved_by", "情報管理室長"},
                                   {"risk_assessed_on", ago(90)}},
                                  {{"name", "オンライン資格確認"},
                                   {"kind", "ip_vpn"},
                                   {"vendor", vendors_[4]},
                                   {"source_restricted", true},
                                   {"confirmed_on", ago(90)},
                                   {"approved_on", ago(800)},
                                   {"approved_by", "情報管理室長"},
                                   {"risk_assessed_on", ago(90)},
                                   {"mutual_authentication", true}},
                                  {{"name", "画像保守VPN"},
                                   {"kind", "ssl_vpn"},
                                   {"asset", vpn(3)},
                                   {"route_reason", "保守事業者が閉域網を引けないため"},
                                   {"vendor", vendors_[1]},
                                   {"source_restricted", true},
                                   {"admin_closed", true},
                                   {"confirmed_on", ago(90)},
                                   {"approved_on", ago(800)},
                                   {"approved_by", "情報管理室長"},
                                   {"risk_assessed_on", ago(90)}}}));
    return {};
  }

  json::object device(const std::string& kind, int serial) {
    static constexpr std::array kMakers = {"富士通", "NEC", "デル", "HP", "レノボ"};
    const auto department = random_.below(static_cast<int>(departments_.size()));
    json::object fields = {
        {"kind", kind},
        {"maker", random_.pick(kMakers)},
        {"model", fmt::format("{}-{}", kind, 100 + random_.below(20))},
        {"serial", fmt::format("SN{:08}", random_.below(99'999'999))},
        {"hostname", fmt::format("{}{:04}", kind.substr(0, 3), serial)},
        {"place", kDepartments[static_cast<std::size_t>(department)]},
        {"responsible", std::string(kDepartments[static_cast<std::size_t>(department)]) + "長"},
        {"department", departments_[static_cast<std::size_t>(department)]},
        {"bought_on", ago(200 + random_.below(1500))},
        {"support_end", in(200 + random_.below(1500))},
        {"state", "in_use"},
        {"patient_data", true}};
    if (kind == "pc" || kind == "server" || kind == "tablet") {
      fields["os"] = kind == "server"   ? "Windows Server 2022"
                     : kind == "tablet" ? "iPadOS 18"
                                        : "Windows 11 Pro";
      fields["patched_on"] = ago(10 + random_.below(60));
    }
    if (kind == "pc" || kind == "server") {
      fields["antivirus"] = "active";
      fields["definitions_on"] = ago(1 + random_.below(5));
      fields["services_reviewed_on"] = ago(120);
      fields["usb_restricted"] = true;
      fields["rights_set"] = true;
      fields["encrypted"] = true;
    }
    if (kind == "network" || kind == "vpn" || kind == "wifi") {
      fields["firmware"] = fmt::format("{}.{}", 5 + random_.below(4), random_.below(9));
      fields["patched_on"] = ago(20 + random_.below(120));
      fields["source_restricted"] = true;
      fields["vendor"] = vendors_[4];
    }
    if (kind == "network" || kind == "vpn" || kind == "wifi" || kind == "server" || kind == "camera") {
      fields["password_changed"] = true;
      fields["password_unique"] = true;
    }
    if (kind == "server" || kind == "network" || kind == "vpn" || kind == "medical_device") {
      fields["remote_maintenance"] = kind == "vpn" ? "used" : "none";
      fields["remote_confirmed_on"] = ago(100);
    }
    if (kind == "server") fields["edr"] = "active";
    if (kind == "medical_device") fields["maker_notices"] = true;
    if (kind == "iot") fields["handbook_followed"] = true;
    if (kind == "camera" || kind == "iot") {
      fields["internet"] = kind == "camera";
      if (kind == "camera") fields["risk_analysed_on"] = ago(150);
    }
    return fields;
  }

  Status devices() {
    struct Amount {
      const char* kind;
      int count;
    };
    static constexpr std::array kAmounts = {
        Amount{"pc", 640},    Amount{"server", 60},          Amount{"network", 84}, Amount{"vpn", 6},
        Amount{"wifi", 40},   Amount{"medical_device", 180}, Amount{"iot", 35},     Amount{"camera", 24},
        Amount{"tablet", 60}, Amount{"card_reader", 12},     Amount{"usb", 20},     Amount{"printer", 39}};
    std::vector<json::object> records;
    std::map<std::string, std::vector<std::size_t>> by_kind;
    int address = 0;
    for (const auto& amount : kAmounts)
      for (int i = 0; i < amount.count; ++i) {
        auto fields = device(amount.kind, i + 1);
        const std::string kind = amount.kind;
        if (kind != "usb" && kind != "card_reader") {
          const bool medical = kind == "medical_device" || kind == "iot";
          ++address;
          fields["ip"] = fmt::format("10.{}.{}.{}", medical ? 2 : 1, address / 250, 1 + address % 250);
          fields["mac"] = fmt::format("02:4D:{:02X}:{:02X}:{:02X}:{:02X}", address >> 16 & 255,
                                      address >> 8 & 255, address & 255, 0x10 + address % 7);
        }
        by_kind[kind].push_back(records.size());
        records.push_back(std::move(fields));
      }
    // The planted defects among devices
    for (int i = 0; i < 5; ++i) records[by_kind["pc"][static_cast<std::size_t>(100 + i)]].erase("place");
    for (int i = 0; i < 4; ++i) {
      auto& old = records[by_kind["pc"][static_cast<std::size_t>(200 + i)]];
      old["os"] = "Windows 10 Pro";
      old["support_end"] = "2025-10-14";
    }
    for (int i = 0; i < 6; ++i)
      records[by_kind["server"][static_cast<std::size_t>(i)]]["logs_expected"] = true;
    for (int i = 0; i < 4; ++i) records[by_kind["vpn"][static_cast<std::size_t>(i)]]["logs_expected"] = true;
    for (int i = 0; i < 2; ++i) records[by_kind["vpn"][static_cast<std::size_t>(i)]]["patched_on"] = ago(420);
    for (int i = 0; i < 2; ++i)
      records[by_kind["camera"][static_cast<std::size_t>(i)]]["password_changed"] = false;
    const auto copies = records;
    const auto ids = MAMORI_TRY(add("asset", std::move(records)));
    for (std::size_t i = 0; i < ids.size(); ++i)
      devices_.push_back({ids[i], "", text_of(copies[i], "kind"), text_of(copies[i], "ip"),
                          text_of(copies[i], "mac"), text_of(copies[i], "hostname")});

    // Retired devices: five, of which one still answers (defect).
    const auto* reg = MAMORI_TRY(parts_.ledger.find_register("asset"));
    for (int i = 0; i < 5; ++i) {
      const auto& victim = devices_[static_cast<std::size_t>(630 + i)];
      const auto before =
          MAMORI_TRY(parts_.ledger.get_in(**transaction_, *reg, store::Scope::job(facility_), victim.id));
      MAMORI_TRY(parts_.ledger.retire_in(*transaction_, kActor, *reg, before, "更新のため廃棄"));
    }
    MAMORI_TRY(add("disposal", {disposal("旧受付パソコン", devices_[631].id),
                                disposal("旧病棟パソコン", devices_[632].id),
                                without(disposal("旧検査パソコン", devices_[633].id),
                                        "certificate_on")}));  // defect: no certificate
    std::vector<json::object> software;
    for (int i = 0; i < 60; ++i)
      software.push_back({{"name", "Windows Server"},
                          {"edition", "2022"},
                          {"asset", devices_[static_cast<std::size_t>(640 + i)].id},
                          {"support_end", "2031-10-14"}});
    MAMORI_TRY(add("software", std::move(software)));
    std::vector<json::object> usage;
    for (int i = 0; i < 40; ++i)
      usage.push_back({{"asset", devices_[static_cast<std::size_t>(i)].id},
                       {"used_on", ago(i % 20)},
                       {"used_by", std::string(random_.pick(kSurnames)) + " " + random_.pick(kGiven)},
                       {"started", "8:30"},
                       {"ended", "17:15"},
                       {"virus_checked", true},
                       {"powered_off", true},
                       {"confirmed_by", "医事課長"}});
    MAMORI_TRY(add("usage_log", std::move(usage)));
    MAMORI_TRY(add("takeout", {takeout(50, 48, -24), takeout(51, 240, 120), takeout(52, 24 * 9, 24 * 4)}));
    MAMORI_TRY(add("lending", {{{"asset", devices_[1010].id},
                                {"lent_on", ago(30)},
                                {"explained", true},
                                {"consent", true},
                                {"contact_told", true}}}));
    MAMORI_TRY(from_file("private_use"));
    return {};
  }

  json::object disposal(const char* what, const std::string& asset) const {
    return {{"what", what},
            {"asset", asset},
            {"vendor", vendors_[20]},
            {"method", "erase_and_crush"},
            {"approved_head", ago(90)},
            {"approved_manager", ago(89)},
            {"approved_director", ago(88)},
            {"disposed_on", ago(70)},
            {"certificate_on", ago(50)}};
  }
  static json::object without(json::object fields, std::string_view name) {
    fields.erase(name);
    return fields;
  }
  // Out `out` hours ago, due `due` hours ago; the last one is overdue and not back (defect), the first not
  // yet due.
  json::object takeout(std::size_t device, int out, int due) const {
    json::object fields = {{"asset", devices_[device].id},
                           {"carrier", "訪問看護 担当"},
                           {"purpose", "訪問診療"},
                           {"approved_by", "情報管理室長"},
                           {"approved_on", ago(out / 24 + 1)},
                           {"out_at", instant_ago(out)},
                           {"due_at", instant_ago(due)},
                           {"encrypted", true},
                           {"password", true},
                           {"no_public_wifi", true}};
    if (device == 51) fields["back_at"] = instant_ago(130);
    return fields;
  }

  Status access() {
    static constexpr std::array kClasses = {"診療録", "検査結果", "画像", "会計", "職員情報"};
    std::vector<json::object> classes;
    for (const auto* name : kClasses)
      classes.push_back({{"name", name},
                         {"importance", name == kClasses[3] ? "medium" : "high"},
                         {"patient_data", name != kClasses[4]}});
    const auto ids = MAMORI_TRY(add("information_class", std::move(classes)));
    std::vector<json::object> rights;
    for (std::size_t job = 0; job < kJobs.size(); ++job)
      for (std::size_t i = 0; i < ids.size(); ++i)
        rights.push_back({{"job", kJobs[job]},
                          {"information_class", ids[i]},
                          {"system", systems_[i == 2   ? 2
                                              : i == 3 ? 4
                                                       : 0]},
                          {"level", i == 4    ? (job == 7 ? "write" : "none")
                                    : i == 3  ? (job >= 6 ? "write" : "read")
                                    : job < 6 ? "write"
                                              : "read"},
                          {"on_servers", true},
                          {"on_terminals", true}});
    MAMORI_TRY(add("access_right", std::move(rights)));
    std::vector<json::object> accounts;
    for (int i = 0; i < kStaff; ++i)
      accounts.push_back({{"login", fmt::format("s{:05}", 10001 + i)},
                          {"system", systems_[0]},
                          {"person", people_[static_cast<std::size_t>(i)]},
                          {"kind", "personal"},
                          {"enabled", true},
                          {"last_used_on", ago(random_.below(20))}});
    const auto special = [&](json::object fields) { accounts.push_back(std::move(fields)); };
    for (int i = 2; i <= 3; ++i)
      special({{"login", fmt::format("adm-s{:05}", 10001 + i)},
               {"person", people_[static_cast<std::size_t>(i)]},
               {"kind", "personal"},
               {"privileged", true},
               {"two_factor", true},
               {"procedure", "特権アカウント手順書"},
               {"last_used_on", ago(3)}});
    special({{"login", "svc-backup"}, {"kind", "service"}, {"privileged", false}});
    special({{"login", "breakglass"},
             {"kind", "emergency"},
             {"privileged", true},
             {"sealed_at", "院長室金庫"},
             {"procedure", "非常時アカウント手順書"}});
    special({{"login", "v-mirai"}, {"kind", "vendor"}, {"vendor", vendors_[0]}, {"last_used_on", ago(12)}});
    special({{"login", "uketsuke"},
             {"system", systems_[7]},
             {"kind", "shared"},
             {"last_used_on", ago(1)}});  // defect: shared
    special({{"login", "v-old"},
             {"system", systems_[2]},
             {"kind", "vendor"},
             {"last_used_on", ago(30)}});  // defect: of no vendor under contract
    MAMORI_TRY(add("account", std::move(accounts)));
    return {};
  }

  Status backups() {
    std::vector<json::object> jobs;
    for (std::size_t i = 0; i < 12; ++i)
      jobs.push_back({{"name", fmt::format("日次バックアップ{:02}", i + 1)},
                      {"system", systems_[i]},
                      {"repository", fmt::format("repo{:02}", i + 1)},
                      {"method", i % 2 ? "borg" : "restic"},
                      {"interval_hours", 24},
                      {"generations", 3},
                      {"paper", true}});
    jobs_ = MAMORI_TRY(add("backup_job", std::move(jobs)));
    std::vector<json::object> copies, tests;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      copies.push_back({{"job", jobs_[i]}, {"medium", "disk"}, {"place", "サーバ室NAS"}});
      if (i == 2)
        copies.push_back({{"job", jobs_[i]},
                          {"medium", "worm"},
                          {"place", "書換え不可ストレージ"},
                          {"immutable", true}});  // defect: PACS has nothing offline
      else
        copies.push_back({{"job", jobs_[i]},
                          {"medium", "tape"},
                          {"place", "遠隔保管庫"},
                          {"site", safe_site_},
                          {"offline", true},
                          {"last_offline_on", ago(5)}});
      tests.push_back({{"job", jobs_[i]},
                       {"tested_on", ago(100 + static_cast<int>(i))},
                       {"minutes", 60 + static_cast<int>(i) * 10},
                       {"result", "success"},
                       {"tester", "情報管理室"}});
    }
    MAMORI_TRY(add("backup_copy", std::move(copies)));
    MAMORI_TRY(add("restore_test", std::move(tests)));
    return {};
  }

  Status paper() {
    for (const auto* name : {"document", "review", "contact", "fee_item"}) MAMORI_TRY(from_file(name));
    return {};
  }

  std::string filetime(int days_ago) const {
    return std::to_string((to_millis(now_) - 86400000LL * days_ago) * 10000 + 116444736000000000LL);
  }

  readers::ldap::Directory directory() {
    readers::ldap::Directory directory;
    directory.encrypted = true;
    const auto entry = [&](const std::string& dn,
                           std::map<std::string, std::vector<std::string>> attributes) {
      directory.entries.push_back({dn, std::move(attributes)});
    };
    const auto user = [&](const std::string& login, const std::string& number, bool enabled, int last_days,
                          bool admin) {
      std::map<std::string, std::vector<std::string>> attributes = {
          {"objectclass", {"person", "user"}},
          {"samaccountname", {login}},
          {"useraccountcontrol", {enabled ? "512" : "514"}},
          {"lastlogontimestamp", {filetime(last_days)}},
          {"pwdlastset", {filetime(200)}},
          {"accountexpires", {"9223372036854775807"}}};
      if (!number.empty()) attributes["employeeid"] = {number};
      if (admin) attributes["memberof"] = {"CN=Domain Admins,CN=Users,DC=minato,DC=example"};
      entry("CN=" + login + ",OU=Staff,DC=minato,DC=example", std::move(attributes));
    };
    for (int i = 0; i < kStaff + kLeavers; ++i) {
      const bool left = i >= kStaff;
      user(fmt::format("s{:05}", 10001 + i), fmt::format("{:05}", 10001 + i),
           !left || i >= kStaff + kLeavers - 3, left ? 10 : random_.below(14),
           false);  // defect: three leavers are enabled
    }
    for (int i = 2; i <= 3; ++i)
      user(fmt::format("adm-s{:05}", 10001 + i), fmt::format("{:05}", 10001 + i), true, 2, true);
    user("svc-backup", "", true, 0, false);
    user("breakglass", "", true, 400, true);
    entry("DC=minato,DC=example", {{"objectclass", {"domain", "domainDNS"}},
                                   {"minpwdlength", {"14"}},
                                   {"pwdproperties", {"1"}},
                                   {"maxpwdage", {"-9223372036854775808"}},
                                   {"pwdhistorylength", {"24"}},
                                   {"lockoutthreshold", {"5"}},
                                   {"lockoutduration", {"-9000000000"}}});
    return directory;
  }

  std::string scan_xml() {
    std::string xml =
        "<?xml version=\"1.0\"?>\n<!DOCTYPE nmaprun>\n<nmaprun scanner=\"nmap\" args=\"nmap -oX - "
        "--top-ports 100 10.1.0.0/20\" xmloutputversion=\"1.05\">\n";
    const auto host = [&](const std::string& ip, const std::string& mac, const std::string& maker,
                          const std::string& ports) {
      xml += fmt::format(
          "<host><status state=\"up\"/><address addr=\"{}\" addrtype=\"ipv4\"/><address addr=\"{}\" "
          "addrtype=\"mac\" vendor=\"{}\"/><ports>{}</ports></host>\n",
          ip, mac, maker, ports);
    };
    const std::string https =
        "<port protocol=\"tcp\" portid=\"443\"><state state=\"open\"/><service name=\"https\"/></port>";
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      const auto& found = devices_[i];
      const bool retired = i >= 630 && i < 635;
      if (!found.ip.starts_with("10.1.") || (retired && i != 630))
        continue;  // defect: retired device 630 answers
      host(found.ip, found.mac, "Demo", found.kind == "pc" ? "" : https);
    }
    host("10.1.9.201", "02:4D:FF:00:00:01", "Raspberry Pi Trading",
         https);  // defect: two devices nobody knows
    host("10.1.9.202", "02:4D:FF:00:00:02", "TP-Link", https);
    return xml + "<runstats><finished time=\"0\" exit=\"success\"/></runstats></nmaprun>\n";
  }

  // Two days of logs from six servers, four VPN devices, the chart and the image archive.
  Status logs() {
    MAMORI_TRY(begin());
    std::vector<const Device*> senders;
    for (const auto* kind : {"server", "vpn"}) {
      int taken = 0;
      for (const auto& candidate : devices_)
        if (candidate.kind == kind && taken < (candidate.kind == "server" ? 6 : 4)) {
          senders.push_back(&candidate);
          ++taken;
        }
    }
    std::vector<json::object> records;
    for (std::size_t i = 0; i < senders.size(); ++i)
      records.push_back({{"name", senders[i]->hostname},
                         {"address", senders[i]->ip},
                         {"asset", senders[i]->id},
                         {"state", "accepted"},
                         {"stream", senders[i]->kind == "vpn" ? "network" : "events"}});
    records.push_back(
        {{"name", "電子カルテ"}, {"system", systems_[0]}, {"state", "accepted"}, {"stream", "access"}});
    records.push_back(
        {{"name", "PACS"}, {"system", systems_[2]}, {"state", "accepted"}, {"stream", "access"}});
    records.push_back({{"name", "10.1.9.77"},
                       {"address", "10.1.9.77"},
                       {"state", "unknown"}});  // defect: nobody has said what this is
    MAMORI_TRY(add("log_source", std::move(records)));
    MAMORI_TRY(transaction_->commit());
    transaction_.reset();
    const auto sources = MAMORI_TRY(parts_.logs.sources(facility_));
    // Twenty minutes' worth at a time, oldest first.
    constexpr int kSteps = 6 * 24, kMinutes = 20;
    for (int step = 0; step < kSteps; ++step) {
      const auto received = now_ - std::chrono::minutes(kMinutes * (kSteps - step) - 5);
      for (std::size_t i = 0; i < sources.size(); ++i) {
        if (sources[i].name == "10.1.9.77" && step < kSteps - 20) continue;
        if (sources[i].name == senders[9]->hostname && step > kSteps - 80)
          continue;  // defect: this VPN device fell silent
        std::vector<std::string> lines;
        for (int k = 1 + random_.below(4); k-- > 0;)
          lines.push_back(log_line(sources[i], i, received - std::chrono::seconds(random_.below(20))));
        formats::Bodies some;
        for (const auto& line : lines) some.events.push_back({line, 0});
        MAMORI_TRY(parts_.logs.accept(sources[i], i < senders.size() ? senders[i]->ip : "", some, received));
      }
    }
    MAMORI_TRY(parts_.logs.counting().keep());
    MAMORI_TRY(parts_.logs.counting().measure(facility_, sources));
    MAMORI_TRY(parts_.logs.keeping().publish_heads());
    for (const auto& name : MAMORI_TRY(parts_.logs.archive().names(facility_)))
      MAMORI_TRY(parts_.logs.keeping().verify(name));
    // The hospital's disk, not that of the machine on which it is shown: a server measures its own.
    auto transaction = MAMORI_TRY(parts_.ledger.database().begin());
    const auto* room = MAMORI_TRY(parts_.ledger.find_register("observed_log_space"));
    std::vector<json::object> facts = {{{"free_gigabytes", 1720}, {"free_percent", 86}, {"days_left", 2900}}};
    MAMORI_TRY(ledger::write_observed(parts_.ledger, transaction, *room, facility_, {"log disk", "log disk"},
                                      std::move(facts), now_));
    MAMORI_TRY(transaction.commit());
    return {};
  }

  std::string log_line(const logs::LogSource& source, std::size_t number, Instant at) {
    const auto login = fmt::format("s{:05}", 10001 + random_.below(kStaff));
    const auto patient = fmt::format("{:06}", 1200 + random_.below(400));
    const auto terminal = fmt::format("10.1.{}.{}", random_.below(3), 1 + random_.below(249));
    if (source.name == "電子カルテ") {
      static constexpr std::array kActions = {"R", "R", "R", "U", "C"};
      return json::serialize(json::object{
          {"resourceType", "AuditEvent"},
          {"type",
           {{"system", "http://terminology.hl7.org/CodeSystem/audit-event-type"},
            {"code", "rest"},
            {"display", "診療録の操作"}}},
          {"action", random_.pick(kActions)},
          {"recorded", iso_instant(at)},
          {"outcome", random_.below(60) == 0 ? "4" : "0"},
          {"agent", json::array{json::object{{"who", {{"identifier", {{"value", login}}}}},
                                             {"requestor", true},
                                             {"network", {{"address", terminal}, {"type", "2"}}}}}},
          {"source", {{"observer", {{"display", "電子カルテ"}}}}},
          {"entity", json::array{json::object{{"what", {{"reference", "Patient/" + patient}}},
                                              {"role", {{"code", "1"}}}}}}});
    }
    if (source.name == "PACS")
      return fmt::format(
          "<85>1 {} pacs dcm4chee 911 IHE+RFC-3881 - <?xml version=\"1.0\" "
          "encoding=\"UTF-8\"?><AuditMessage><EventIdentification EventActionCode=\"R\" EventDateTime=\"{}\" "
          "EventOutcomeIndicator=\"0\"><EventID csd-code=\"110103\" codeSystemName=\"DCM\" "
          "originalText=\"DICOM Instances Accessed\"/></EventIdentification><ActiveParticipant UserID=\"{}\" "
          "UserIsRequestor=\"true\" NetworkAccessPointID=\"{}\" "
          "NetworkAccessPointTypeCode=\"2\"/><AuditSourceIdentification "
          "AuditSourceID=\"PACS\"/><ParticipantObjectIdentification ParticipantObjectID=\"{}\" "
          "ParticipantObjectTypeCode=\"1\" ParticipantObjectTypeCodeRole=\"1\"/></AuditMessage>",
          iso_instant(at), iso_instant(at), login, terminal, patient);
    const auto local = local_minute(at);  // 2026-11-21 13:31
    const auto second = iso_instant(at).substr(17, 2);
    if (source.stream == "network")
      return fmt::format(
          "<189>date={} time={}:{} devname=\"{}\" logid=\"0101039424\" type=\"event\" subtype=\"vpn\" "
          "action=\"tunnel-up\" user=\"{}\" remip=203.0.113.{} srcip=203.0.113.{} status=\"success\" "
          "msg=\"SSL tunnel established\"",
          local.substr(0, 10), local.substr(11), second, source.name, random_.below(3) ? "v-mirai" : login,
          1 + random_.below(200), 1 + random_.below(200));
    // defect: the clock of the second server is ten minutes slow
    const auto stamp = iso_instant(number == 1 ? at - std::chrono::minutes(10) : at);
    if (random_.below(7) == 0)
      return fmt::format("<38>1 {} {} sshd {} - - Failed password for {} from {} port {} ssh2", stamp,
                         source.name, 2000 + random_.below(900),
                         random_.below(4) ? "invalid user admin" : login, terminal,
                         40000 + random_.below(9000));
    return fmt::format("<38>1 {} {} sshd {} - - Accepted publickey for {} from {} port {} ssh2", stamp,
                       source.name, 2000 + random_.below(900), random_.below(2) ? "svc-backup" : login,
                       terminal, 40000 + random_.below(9000));
  }

  Result<readers::Source> source(const std::string& name, const std::string& kind, json::object settings,
                                 std::int64_t minutes) {
    return parts_.sources.create(kActor, facility_,
                                 {name, kind, std::move(settings), std::nullopt, minutes, false});
  }

  Status readings() {
    const auto yesterday = now_ - std::chrono::hours(10);
    const auto ad = MAMORI_TRY(source("院内Active Directory", "directory",
                                      {{"url", "ldaps://dc1.minato.example"},
                                       {"base", "DC=minato,DC=example"},
                                       {"bind_dn", "mamori-reader@minato.example"}},
                                      1440));
    const auto tree = directory();
    MAMORI_TRY(parts_.sources.record(
        kActor, ad,
        readers::Reading{readers::ldap::interpret(tree, {}, now_), readers::ldap::write_ldif(tree), "ldif"},
        yesterday));

    // defect: this one was last read 45 days ago; it brings a policy only
    const auto lab =
        MAMORI_TRY(source("検査部門LDAP（方針）", "directory",
                          {{"url", "ldaps://lab-ldap.minato.example"}, {"base", "dc=lab,dc=example"}}, 0));
    readers::ldap::Directory policy;
    policy.encrypted = true;
    policy.entries.push_back({"cn=default,ou=policies,dc=lab,dc=example",
                              {{"objectclass", {"pwdPolicy"}},
                               {"pwdminlength", {"14"}},
                               {"pwdcheckquality", {"2"}},
                               {"pwdlockout", {"TRUE"}},
                               {"pwdmaxfailure", {"5"}},
                               {"pwdlockoutduration", {"900"}},
                               {"pwdmaxage", {"0"}}}});
    MAMORI_TRY(parts_.sources.record(kActor, lab,
                                     readers::Reading{readers::ldap::interpret(policy, {}, now_),
                                                      readers::ldap::write_ldif(policy), "ldif"},
                                     now_ - std::chrono::hours(24 * 45)));

    const auto scan = MAMORI_TRY(source("電子カルテ系の走査", "network", {{"targets", "10.1.0.0/20"}}, 0));
    MAMORI_TRY(parts_.sources.record(kActor, scan, readers::nmap::parse_xml(scan_xml()), yesterday));

    for (int i = 0; i < 12; ++i) {
      const auto name = fmt::format("repo{:02}", i + 1);
      const auto made = MAMORI_TRY(
          source(name, "backup", {{"kind", i % 2 ? "borg" : "restic"}, {"repository", "/srv/backup/" + name}},
                 1440));
      json::array list;
      const int generations = i == 4 ? 2 : 7;  // defect: billing keeps two generations only
      for (int g = 0; g < generations; ++g)
        list.push_back(i % 2
                           ? json::object{{"name", fmt::format("daily-{}", g)},
                                          {"time", iso_instant(yesterday - std::chrono::hours(2 + 24 * g))}}
                           : json::object{{"time", iso_instant(yesterday - std::chrono::hours(2 + 24 * g))}});
      const auto listing =
          i % 2 ? json::serialize(json::object{{"archives", list}, {"encryption", {{"mode", "repokey"}}}})
                : json::serialize(list);
      auto reading = MAMORI_TRY(readers::backup::parse_listing(listing, name, now_));
      reading.sets[0].facts[0]["size_bytes"] = 40'000'000'000LL + i * 1'000'000'000LL;
      MAMORI_TRY(parts_.sources.record(kActor, made, reading, yesterday));
    }
    return {};
  }

  Status declarations() {
    const store::Actor manager{"", "情報管理室長", "demo"};
    for (const auto* item : {"1(1)", "2(5)", "3(1)", "3(3)", "4(1)"})  // defect: 2(5) is declared yes
      MAMORI_TRY(parts_.assessor.declarations().declare(
          manager, facility_, {"mhlw-facility-r7", item, "", assess::Answer::yes, ago(30), "", "", "", {}}));
    const auto year_end = fmt::format("{:04}-03-31", fiscal_year(today_) + 1);
    MAMORI_TRY(parts_.assessor.declarations().declare(manager, facility_,
                                                      {"mhlw-facility-r7",
                                                       "2(10)",
                                                       "",
                                                       assess::Answer::no,
                                                       ago(30),
                                                       year_end,
                                                       "地域連携システムの更新時に導入予定",
                                                       "",
                                                       {}}));
    return {};
  }

  Result<std::vector<SignIn>> users() {
    std::vector<SignIn> out;
    struct Row {
      const char* login;
      const char* name;
      identity::Role role;
    };
    for (const auto& row :
         {Row{"manager", "企画管理者", identity::Role::planning_manager},
          Row{"director", "院長", identity::Role::director},
          Row{"officer", "安全管理責任者", identity::Role::safety_officer},
          Row{"operator", "運用担当者", identity::Role::operator_},
          Row{"staff", "職員", identity::Role::staff}, Row{"vendor", "事業者", identity::Role::vendor},
          Row{"inspector", "立入検査", identity::Role::inspector}}) {
      Secret password(random_token(5) + "-" + random_token(5) + "-" + random_token(5) + "-Zx9");
      while (!identity::check_password(password, {{row.login, row.name}}))
        password = Secret(random_token(5) + "-" + random_token(5) + "-" + random_token(5) + "-Zx9");
      MAMORI_TRY(parts_.users.create(kActor, {row.login, row.name, password, {{facility_, {row.role}}}}, {}));
      out.push_back({row.login, row.name, std::string(identity::name_of(row.role)), password});
    }
    return out;
  }

  const Parts& parts_;
  Random random_;
  Instant now_;
  Date today_;
  std::optional<store::Transaction> transaction_;
  std::map<std::string, Yaml> files_;  // of data/demo/records, by register, until their turn
  std::map<std::string, int> counters_;
  std::string facility_, safe_site_;
  std::vector<std::string> departments_, people_, vendors_, systems_, jobs_;
  std::vector<Device> devices_;
};

}  // namespace

Result<Hospital> make_hospital(const Parts& parts, std::uint64_t seed) {
  return Builder(parts, seed).build();
}

}  // namespace mamori::demo
