#include "server/serve.h"

#include <cstdio>

#include "cli/command.h"

namespace mamori::cli {

void add_serve(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("serve", "start the server");
  auto options = std::make_shared<server::ServeOptions>();
  command->add_option("--address", options->listener.address,
                      "address to listen on (default 127.0.0.1; beyond loopback TLS is compulsory)");
  command->add_option("--port", options->listener.port, "port (default 8080; 0 = any free one)");
  command
      ->add_option("--certificate", options->listener.certificate_file,
                   "TLS certificate (PEM); beyond loopback one is made where none is given")
      ->check(CLI::ExistingFile);
  command->add_option("--key", options->listener.key_file, "its private key (PEM)")->check(CLI::ExistingFile);
  command->add_option("--syslog-address", options->receiver.address,
                      "address for syslog (default: as --address)");
  command->add_option("--syslog-udp", options->receiver.udp_port,
                      "port for syslog over UDP (usually 514; off by default; 0 = any free one)");
  command->add_option("--syslog-tcp", options->receiver.tcp_port, "port for syslog over TCP");
  command->add_option("--syslog-tls", options->receiver.tls_port, "port for syslog over TLS (usually 6514)");
  command
      ->add_option("--syslog-certificate", options->receiver.certificate_file,
                   "its certificate (PEM; default: the web's)")
      ->check(CLI::ExistingFile);
  command->add_option("--syslog-key", options->receiver.key_file, "its private key (PEM)")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--syslog-client-ca", options->receiver.client_ca_file,
                   "authority of senders' certificates (PEM)")
      ->check(CLI::ExistingFile);
  auto witness = std::make_shared<logs::WitnessOptions>();
  command
      ->add_option("--copy-heads", witness->folder,
                   "folder, best on another machine, to which signed heads of the logs are copied every hour")
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory);
  command
      ->add_option("--hub-heads", witness->hub_url,
                   "address of another Mamori that gets each signed head; the token of our log source there "
                   "in MAMORI_HUB_TOKEN")
      ->type_name("URL");
  command->add_option("--hub-ca", witness->hub_authority, "authority of its certificate (PEM)")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--stamp-heads", witness->stamp_url,
                   "time stamp authority (RFC 3161) that signs the time of each head")
      ->type_name("URL");
  command
      ->add_option("--stamp-ca", witness->stamp_authority, "who vouches for it (PEM); its stamps are checked")
      ->check(CLI::ExistingFile);
  command->add_option("--mail-heads", witness->mail_to, "addresses that get the newest heads once a day")
      ->delimiter(',');
  command
      ->add_option("--mail-server", witness->mail_server.url,
                   "smtp://host:25 or smtps://host:465; its password in MAMORI_MAIL_PASSWORD")
      ->type_name("URL");
  command->add_option("--mail-from", witness->mail_from, "sender's address");
  command->add_option("--mail-user", witness->mail_server.user, "user at the mail server");
  command->add_option("--mail-ca", witness->mail_server.authority, "authority of its certificate (PEM)")
      ->check(CLI::ExistingFile);
  auto megabytes = std::make_shared<std::size_t>(options->listener.limits.bodies >> 20);
  command
      ->add_option("--request-memory", *megabytes,
                   "MiB that the bodies of all requests may take together (default 256)")
      ->check(CLI::Range(16, 65536));
  options->receiver.address.clear();
  command->callback([&common, &run, options, witness, megabytes] {
    run = [&common, options, witness, megabytes]() -> int {
      options->listener.limits.bodies = *megabytes << 20;
      auto session = Session::open(common);
      if (!session) return fail(session.error(), common);
      const auto& texts = session->services().texts;
      if (const char* password = std::getenv("MAMORI_MAIL_PASSWORD"))
        witness->mail_server.password = Secret(password);
      if (const char* token = std::getenv("MAMORI_HUB_TOKEN")) witness->hub_token = Secret(token);
      while (witness->hub_url.ends_with('/')) witness->hub_url.pop_back();
      session->services().logs.keeping().witness(*witness, texts, common.language);
      options->warn = [&](const std::string& code, const Facts& facts) {
        std::fprintf(stderr, "mamori: %s\n", texts.get(code, common.language, facts).c_str());
      };
      options->ready = [&](const std::string& url, const std::string& setup_secret) {
        std::printf("%s\n", texts.get("cli.serve.ready", common.language, {{"url", url}}).c_str());
        const auto receivers = [&] {
          const MutexLock lock(session->services().mutex);
          return session->services().receivers;
        }();
        for (const auto* kind : {"udp", "tcp", "tls"})
          if (const auto port = integer_of(receivers, kind, -1); port >= 0)
            std::printf("syslog %s %s:%lld\n", kind, text_of(receivers, "address").c_str(),
                        static_cast<long long>(port));
        if (!setup_secret.empty())
          std::printf(
              "%s\n",
              texts.get("cli.serve.setup", common.language, {{"url", url + "/setup#secret=" + setup_secret}})
                  .c_str());
        std::fflush(stdout);
      };
      const auto status = server::serve(*session->installation, *options);
      return status ? 0 : fail(status.error(), common);
    };
  });
}

}  // namespace mamori::cli
