# frozen_string_literal: true

require_relative "../../test_helper"
require_relative "../../support/example_process"
require_relative "../../../examples/redis_client"

# The server and the client of examples/ against each other, and the server against plain sockets.
class RedisTest < RotaTest
  include ExampleProcess

  CLIENT = File.join(ExampleProcess::FOLDER, "redis_client.rb")

  def setup
    super
    @server = start_example("redis_server", LOCAL)
  end

  def test_strings
    with_client do |redis|
      assert_equal %w[PONG hi], [redis.call("PING"), redis.call("ping", "hi")]
      assert_equal "OK", redis.call("SET", "name", "日本\r\n\0")
      assert_equal "日本\r\n\0".b, redis.call("GET", "name")
      assert_nil redis.call("get", "nothing")
      assert_equal [1, 2, 1, -4], redis.pipeline([%w[incr n], %w[incr n], %w[decr n], %w[decrby n 5]])
      assert_equal [3, "abc", 3], [redis.call("append", "t", "abc"), redis.call("get", "t"), redis.call("strlen", "t")]
      assert_equal "OK", redis.call("mset", "a", 1, "b", 2)
      assert_equal ["1", nil, "2"], redis.call("mget", "a", "x", "b")
      assert_equal [1, 1, "string", "none"], redis.pipeline([%w[exists a x], %w[del a x], %w[type b], %w[type a]])
      assert_nil redis.call("set", "b", "3", "NX")
      assert_nil redis.call("set", "c", "3", "XX")
      assert_equal "2", redis.call("getset", "b", "4")
      assert_equal %w[b n name t], redis.call("keys", "*").sort
      assert_equal [4, "OK", 0], [redis.call("dbsize"), redis.call("flushall"), redis.call("dbsize")]
    end
  end

  def test_lists
    with_client do |redis|
      assert_equal [2, 4], [redis.call("lpush", "l", "b", "a"), redis.call("rpush", "l", "c", "d")]
      assert_equal %w[a b c d], redis.call("lrange", "l", 0, -1)
      assert_equal [%w[b c], %w[c d], [], %w[a b c d]],
                   [[1, 2], [-2, -1], [7, 9], [-9, 9]].map { |range| redis.call("lrange", "l", *range) }
      assert_equal ["a", "d", "c", 2], redis.pipeline([%w[lpop l], %w[rpop l], %w[lindex l 1], %w[llen l]])
      2.times { redis.call("lpop", "l") }
      assert_nil redis.call("lpop", "l")
      assert_equal 0, redis.call("exists", "l")
    end
  end

  def test_times_to_live
    with_client do |redis|
      redis.call("set", "k", "v", "PX", 20)
      assert_includes 1..20, redis.call("pttl", "k")
      redis.call("set", "long", "v", "ex", 100)
      assert_equal [100, 1, -1, -2], redis.pipeline([%w[ttl long], %w[persist long], %w[ttl long], %w[ttl none]])
      assert_equal [1, 0], [redis.call("expire", "long", 0), redis.call("exists", "long")]
      Rota.sleep(0.03)
      assert_nil redis.call("get", "k")
    end
  end

  def test_errors
    with_client do |redis|
      redis.call("lpush", "l", 1)
      { %w[get l] => /\AWRONGTYPE/, %w[nonsense] => /unknown command 'nonsense'/, %w[instance_eval exit] => /unknown/,
        %w[knows? x] => /unknown/, %w[get] => /wrong number of arguments for 'get'/, %w[set a b WHAT] => /syntax/,
        %w[incrby l x] => /WRONGTYPE/, %w[incrby n x] => /not an integer/, %w[set a b EX 0] => /expire time/,
        %w[mset a] => /wrong number/ }.each do |words, message|
        assert_match message, assert_raises(RESP::CommandError) { redis.call(*words) }.message
      end
      assert_equal "PONG", redis.call("ping")
    end
  end

  def test_a_pipeline
    with_client do |redis|
      count = 5000
      assert_equal (1..count).to_a, redis.pipeline([%w[incr n]] * count)
      replies = redis.pipeline([%w[get n], %w[nonsense], %w[ping]])
      assert_equal [count.to_s, RESP::CommandError, "PONG"], [replies[0], replies[1].class, replies[2]]
    end
  end

  def test_many_tasks_share_a_connection
    with_client do |redis|
      tasks = Array.new(100) { |i| Rota.spin { redis.call("set", "key#{i}", i) && redis.call("get", "key#{i}") } }
      assert_equal (0..99).map(&:to_s), tasks.map(&:await)
    end
  end

  def test_a_value_larger_than_any_buffer
    with_client do |redis|
      value = Random.new(1).bytes(3_000_000)
      assert_equal "OK", redis.call("set", "big", value)
      assert redis.call("get", "big") == value
    end
  end

  def test_channels
    with_client do |redis|
      other = RedisClient.new(@server.address)
      heard = []
      listening = Rota.spin { other.subscribe("news", "sport") { |*message| (heard << message).size == 3 and break } }
      Rota.sleep(0.001) until redis.call("publish", "news", "first") == 1
      assert_equal [1, 1, 0], redis.pipeline([%w[publish sport goal], %w[publish news last], %w[publish music nobody]])
      listening.await
      assert_equal [%w[news first], %w[sport goal], %w[news last]], heard
      other.close
      Rota.sleep(0.001) until redis.call("publish", "news", "gone").zero?
    end
  end

  def test_a_subscriber_may_do_little_else
    socket = open_socket(@server)
    socket.write("subscribe a b\r\nget x\r\nping\r\nunsubscribe\r\nget x\r\nquit\r\n")
    expected = +"".b
    [["subscribe", "a", 1], ["subscribe", "b", 2]].each { |reply| RESP.dump(reply, expected) }
    expected << "-ERR only SUBSCRIBE, UNSUBSCRIBE, PING and QUIT are allowed in this context\r\n+PONG\r\n"
    [["unsubscribe", "a", 1], ["unsubscribe", "b", 0], nil, :OK].each { |reply| RESP.dump(reply, expected) }
    assert_equal expected, socket.read
  end

  # Bytes that come one by one make the same commands, and what is none is answered and cut off.
  def test_how_bytes_come_does_not_matter
    socket = open_socket(@server)
    "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n\r\n\r\n\r\nget k\r\n\r\n".each_char { |byte| socket.write(byte) }
    assert_equal "+OK\r\n$4\r\n\r\n\r\n\r\n", socket.read(15)
    nonsense = [
      "*1\r\n:3\r\n", "*x\r\n", "*1\r\n$-1\r\n", "*99999999999\r\n", "*1\r\n$999999999999\r\n", "x" * 100_000
    ]
    nonsense.each do |bytes|
      socket = open_socket(@server)
      socket.write(bytes)
      assert_match(/\A-ERR Protocol error: .*\r\n\z/, socket.read)
    end
  end

  # A client that never reads costs a bounded heap of replies, and nobody else anything.
  def test_somebody_who_does_not_read
    sleeper = open_socket(@server)
    sleeper.write("subscribe news\r\n")
    with_client do |redis|
      text = "x" * 100_000
      reached = Array.new(200) { redis.call("publish", "news", text) }
      assert_equal 1, reached.first
      assert_equal 0, reached.last
    end
  end

  def test_clients_that_leave_in_the_middle
    5.times do |i|
      socket = open_socket(@server)
      socket.write("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$400\r\nabc")
      i.even? ? reset(socket) : socket.close
    end
    with_client { |redis| assert_equal "PONG", redis.call("ping") }
  end

  def test_the_client_hears_of_the_end
    Rota.run do
      server = Rota.listen("127.0.0.1:0") { |stream| stream.gets && stream.write("+OK\r\n+half") }
      redis = RedisClient.new(server.address)
      replies = Array.new(3) { Rota.spin { caught(IOError) { redis.call("x") } } }
      first, *others = replies.map(&:await)
      assert_equal ["OK", IOError, IOError], [first, *others.map(&:class)]
      assert_raises(IOError) { redis.call("y") }
      redis.close
      server.stop
    end
  end

  def test_the_command_line
    assert_equal "OK\n", client("set", "k", "é")
    assert_equal "é\n", client("get", "k")
    assert_equal "(integer) 2\n(integer) 3\n1) b\n2) a\n3) \"\\xFF\"\n(error) ERR unknown command 'what'\n(nil)\n",
                 client(input: "rpush l b a\nrpush l \xFF\nlrange l 0 -1\nwhat\nget 'no such'\n")
    assert_equal "(empty array)\n", client("lrange", "none", "0", "1")
  end

  private

  def with_client
    Rota.run do
      redis = RedisClient.new(@server.address)
      yield redis
      redis.close
    end
  end

  def client(*words, input: "")
    IO.popen([child_env({}), *ruby_command, CLIENT, @server.address, *words], "r+") do |io|
      io.write(input)
      io.close_write
      io.read
    end
  end
end
