// File input and output.

#include "driver/files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "base/format.h"

namespace epass::driver {

namespace {

// The temporary file being written, for the signal handler. Written before the file exists, emptied after the
// rename.
std::array<char, PATH_MAX> temporary_path = {};

extern "C" void remove_and_die(int signal_number) {
  if (temporary_path[0]) ::unlink(temporary_path.data());
  ::signal(signal_number, SIG_DFL);
  ::raise(signal_number);
}

std::string errno_text(int error) {
  switch (error) {
    case ENOENT: return "no such file or directory (ENOENT)";
    case EACCES: return "permission denied (EACCES)";
    case EISDIR: return "it is a directory (EISDIR)";
    case ENOSPC: return "the disk is full (ENOSPC)";
    case EROFS: return "the file system is read-only (EROFS)";
    default: return format("{} (errno {})", std::strerror(error), error);
  }
}

std::unexpected<Error> output_error(const std::string& path, const std::string& why, bool before) {
  Error error{.message = format("cannot write `{}`: {}", path, why), .code = "output"};
  error.notes.push_back(before ? "checked before compiling; nothing was changed"
                               : "the file that was there is unchanged");
  return std::unexpected(std::move(error));
}

// Where a write to `path` really goes: renaming over a symbolic link would replace the link.
std::string resolved(const std::string& path) {
  std::array<char, PATH_MAX> buffer = {};
  return ::realpath(path.c_str(), buffer.data()) ? std::string(buffer.data()) : path;
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool write_all(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}

Result<void> write_directly(int fd, const std::string& path, Bytes bytes) {
  if (!write_all(fd, bytes)) return output_error(path, errno_text(errno), false);
  return {};
}

// A new file gets what the shell would give it.
mode_t mode_of_new_file() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

}  // namespace

void remove_temporary_on_signal() {
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old = {};
    ::sigaction(number, nullptr, &old);
    if (old.sa_handler != SIG_IGN) ::signal(number, remove_and_die);
  }
}

Result<std::vector<uint8_t>> read_file(const std::string& path) {
  const bool standard = path == "-";
  const int fd = standard ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  auto failed = [&](int error) {
    return fail("input-file", format("cannot read `{}`: {}", path, errno_text(error)));
  };
  if (fd < 0) return failed(errno);
  std::vector<uint8_t> bytes;
  struct stat status = {};
  size_t expected = 0;
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) expected = static_cast<size_t>(status.st_size);
  size_t used = 0;
  int error = 0;
  for (;;) {
    // One byte more than expected, so that the end is seen without another round.
    if (used == bytes.size()) bytes.resize(std::max(expected + 1, used + std::max<size_t>(used, 65536)));
    const ssize_t n = ::read(fd, bytes.data() + used, bytes.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) error = errno;
    if (n <= 0) break;
    used += static_cast<size_t>(n);
  }
  if (!standard) ::close(fd);
  if (error) return failed(error);
  bytes.resize(used);
  return bytes;
}

Result<void> check_writable(const std::string& path) {
  if (path == "-") return {};
  if (path.empty()) return output_error(path, "the name is empty", true);
  const std::string target = resolved(path);
  struct stat status = {};
  if (::stat(target.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return output_error(path, errno_text(EISDIR), true);
    if (!S_ISREG(status.st_mode))
      return ::access(target.c_str(), W_OK) == 0 ? Result<void>{}
                                                 : output_error(path, errno_text(errno), true);
  }
  const std::string directory = directory_of(target);
  if (::stat(directory.c_str(), &status) != 0)
    return output_error(path, errno == ENOENT ? "no such directory (ENOENT)" : errno_text(errno), true);
  if (!S_ISDIR(status.st_mode))
    return output_error(path, format("`{}` is not a directory (ENOTDIR)", directory), true);
  if (::access(directory.c_str(), W_OK | X_OK) != 0) return output_error(path, errno_text(errno), true);
  return {};
}

Result<void> write_file(const std::string& path, Bytes bytes, const std::string& mode_from) {
  if (path == "-") return write_directly(STDOUT_FILENO, path, bytes);
  const std::string target = resolved(path);
  struct stat status = {};
  const bool exists = ::stat(target.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode)) {
    const int fd = ::open(target.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return output_error(path, errno_text(errno), false);
    Result<void> done = write_directly(fd, path, bytes);
    ::close(fd);
    return done;
  }
  mode_t mode = mode_of_new_file();
  struct stat other = {};
  if (exists)
    mode = status.st_mode & 07777;
  else if (!mode_from.empty() && mode_from != "-" && ::stat(mode_from.c_str(), &other) == 0 &&
           S_ISREG(other.st_mode))
    mode = other.st_mode & 0777;

  const std::string name = format("{}.{}.tmp", target, ::getpid());
  if (name.size() >= temporary_path.size())
    return output_error(path, "the name is too long (ENAMETOOLONG)", false);
  std::memcpy(temporary_path.data(), name.c_str(), name.size() + 1);
  auto give_up = [&](int error) {
    ::unlink(name.c_str());
    temporary_path[0] = 0;
    return output_error(path, errno_text(error), false);
  };
  const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return give_up(errno);
  if (!write_all(fd, bytes) || ::fchmod(fd, mode) != 0) {
    const int error = errno;
    ::close(fd);
    return give_up(error);
  }
  if (::close(fd) != 0) return give_up(errno);
  if (::rename(name.c_str(), target.c_str()) != 0) return give_up(errno);
  temporary_path[0] = 0;
  return {};
}

}  // namespace epass::driver
