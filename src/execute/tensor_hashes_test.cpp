#include "execute/tensor_hashes.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/testing.h"

namespace merganser {
namespace {

TEST(TensorHash, TakesChunksInOrderFromManyThreads) {
  std::vector<std::byte> data(10000);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i * 7);
  const auto whole = Hasher::make(HashKind::xxh3);
  whole->update(data);
  TensorHash hash(HashKind::xxh3);
  std::vector<std::thread> threads;
  for (std::size_t chunk = 10; chunk-- > 0;) {  // the last one first
    threads.emplace_back([&, chunk] {
      hash.add(chunk, std::span<const std::byte>(data).subspan(chunk * 1000, 1000), {});
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(hash.finish(), whole->finish());
}

TEST(TensorHash, WaitingEndsWhenStopped) {
  TensorHash hash(HashKind::xxh3);
  std::stop_source stop;
  std::optional<Error> error;
  std::thread waiting([&] { error = test::error_of([&] { hash.add(1, {}, stop.get_token()); }); });
  stop.request_stop();
  waiting.join();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::interrupted);
}

}  // namespace
}  // namespace merganser
