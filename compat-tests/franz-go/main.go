// SPDX-License-Identifier: Apache-2.0

// The client program of harness/clients.py on franz-go.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	fail(err)
	return value
}

func codecOf(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func produce(address, topic, codec string, count int64, prefix string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ProducerBatchCompression(codecOf(codec)),
		kgo.ProducerLinger(5*time.Millisecond))
	fail(err)
	defer client.Close()
	var acked sync.WaitGroup
	for n := int64(0); n < count; n++ {
		acked.Add(1)
		value := fmt.Sprintf("%s-%d %s", prefix, n, strings.Repeat("weir ", 8))
		record := &kgo.Record{Topic: topic, Key: []byte(fmt.Sprintf("k%d", n)), Value: []byte(value)}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			fail(err)
			acked.Done()
		})
	}
	acked.Wait()
	fmt.Println("OK", count)
}

// What the member has now; franz-go's default assignor is cooperative, so changes are told one by one.
type assignment struct {
	lock sync.Mutex
	has  map[int32]bool
}

func (a *assignment) change(partitions []int32, isAssigned bool) {
	a.lock.Lock()
	defer a.lock.Unlock()
	for _, partition := range partitions {
		if isAssigned {
			a.has[partition] = true
		} else {
			delete(a.has, partition)
		}
	}
	words := []string{}
	for partition := range a.has {
		words = append(words, strconv.Itoa(int(partition)))
	}
	sort.Strings(words)
	fmt.Println("A", strings.Join(words, ","))
}

func consume(address, topic, group string, offset, count int64) {
	now := assignment{has: map[int32]bool{}}
	told := func(isAssigned bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			now.change(partitions[topic], isAssigned)
		}
	}
	options := []kgo.Opt{kgo.SeedBrokers(address), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6 * time.Second),
		kgo.HeartbeatInterval(500 * time.Millisecond), kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.OnPartitionsAssigned(told(true)), kgo.OnPartitionsRevoked(told(false)), kgo.OnPartitionsLost(told(false)),
		kgo.AutoCommitInterval(200 * time.Millisecond)}
	if offset >= 0 {
		options = append(options, kgo.AdjustFetchOffsetsFn(
			func(_ context.Context, all map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
				for _, partitions := range all {
					for partition := range partitions {
						partitions[partition] = kgo.NewOffset().At(offset)
					}
				}
				return all, nil
			}))
	}
	client, err := kgo.NewClient(options...)
	fail(err)
	for got := int64(0); count < 0 || got < count; {
		limit := 1000
		if count >= 0 && count-got < 1000 {
			limit = int(count - got)
		}
		fetches := client.PollRecords(context.Background(), limit)
		for _, failure := range fetches.Errors() {
			fmt.Fprintln(os.Stderr, failure.Topic, failure.Partition, failure.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			fmt.Println("R", record.Partition, record.Offset, string(record.Key), strings.Fields(string(record.Value))[0])
			got++
		})
	}
	fail(client.CommitUncommittedOffsets(context.Background()))
	client.Close()
}

func main() {
	words := os.Args[1:]
	switch {
	case len(words) == 6 && words[0] == "produce":
		produce(words[1], words[2], words[3], number(words[4]), words[5])
	case len(words) == 5 && words[0] == "consume":
		consume(words[1], words[2], words[3], -1, number(words[4]))
	case len(words) == 6 && words[0] == "replay":
		consume(words[1], words[2], words[3], number(words[4]), number(words[5]))
	case len(words) == 4 && words[0] == "member":
		consume(words[1], words[2], words[3], -1, -1)
	case len(words) == 6 && words[0] == "transactions":
		transactions(words[1], words[2], words[3], words[4], words[5])
	default:
		fmt.Fprintln(os.Stderr, "usage: see harness/clients.py")
		os.Exit(2)
	}
}
