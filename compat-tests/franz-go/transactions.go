// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The id's last transaction may still be ending: franz-go tells of it, and the next attempt asks again.
func waitForProducer(client *kgo.Client) {
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, _, err = client.ProducerID(context.Background()); err == nil {
			return
		}
	}
	fail(err)
}

func transactional(address, name string) *kgo.Client {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.TransactionalID(name), kgo.TransactionTimeout(30*time.Second))
	fail(err)
	waitForProducer(client)
	return client
}

// Writes prefix-0 to prefix-(count-1); the first error, if any.
func write(client *kgo.Client, topic, prefix string, count int) error {
	records := []*kgo.Record{}
	for n := 0; n < count; n++ {
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(fmt.Sprintf("k%d", n)), Value: []byte(fmt.Sprintf("%s-%d", prefix, n))})
	}
	return client.ProduceSync(context.Background(), records...).FirstErr()
}

// A producer whose id another one takes is refused what it goes on to do.
func fence(address, sink, name string) {
	ctx := context.Background()
	zombie := transactional(address, name)
	fail(zombie.BeginTransaction())
	fail(write(zombie, sink, "z", 1))
	heir := transactional(address, name)
	fail(heir.BeginTransaction())
	fail(write(heir, sink, "y", 10))
	err := zombie.EndTransaction(ctx, kgo.TryCommit)
	if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.InvalidProducerIDMapping) {
		fmt.Println("FENCED")
	} else {
		fmt.Fprintln(os.Stderr, "the zombie's commit:", err)
	}
	fail(heir.EndTransaction(ctx, kgo.TryCommit))
	zombie.Close()
	heir.Close()
}

func transform(address, source, sink, group, name string) {
	ctx := context.Background()
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(address), kgo.TransactionalID(name), kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(source), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(100*time.Millisecond), kgo.RequireStableFetchOffsets())
	fail(err)
	waitForProducer(session.Client())
	isAborted := false
	for committed := 0; committed < 100; {
		fetches := session.PollRecords(ctx, 10)
		if fetches.NumRecords() == 0 {
			continue
		}
		fail(session.Begin())
		count := 0
		fetches.EachRecord(func(record *kgo.Record) {
			value := strings.Replace(strings.Fields(string(record.Value))[0], "i-", "x-", 1)
			session.Produce(ctx, &kgo.Record{Topic: sink, Key: record.Key, Value: []byte(value)}, func(_ *kgo.Record, err error) { fail(err) })
			count++
		})
		fail(session.Client().Flush(ctx))
		isCommit := committed < 30 || isAborted
		isAborted = isAborted || !isCommit
		done, err := session.End(ctx, kgo.TransactionEndTry(isCommit))
		fail(err)
		if done {
			committed += count
		}
	}
	session.Close()
}

func committedOffset(address, source, group string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	fail(err)
	defer client.Close()
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Group = group
	request.RequireStable = true
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = source, []int32{0}
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(context.Background(), client)
	fail(err)
	for _, group := range response.Groups {
		for _, topic := range group.Topics {
			fmt.Println("COMMITTED", topic.Partitions[0].Offset)
			return
		}
	}
	for _, topic := range response.Topics {
		fmt.Println("COMMITTED", topic.Partitions[0].Offset)
	}
}

// The whole topic, read_committed: to its last stable offsets, as they are now.
func readAll(address, topic string) {
	ctx := context.Background()
	end := transactionEnds(address, topic)
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond), kgo.KeepControlRecords())
	fail(err)
	defer client.Close()
	for len(end) > 0 {
		client.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			if !record.Attrs.IsControl() {
				fmt.Println("R", record.Partition, record.Offset, string(record.Key), string(record.Value))
			}
			if record.Offset+1 >= end[record.Partition] {
				delete(end, record.Partition)
			}
		})
	}
}

func transactionEnds(address, topic string) map[int32]int64 {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	fail(err)
	defer client.Close()
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.IsolationLevel = -1, 1
	wanted := kmsg.NewListOffsetsRequestTopic()
	wanted.Topic = topic
	for partition := int32(0); partition < 3; partition++ {
		one := kmsg.NewListOffsetsRequestTopicPartition()
		one.Partition, one.Timestamp = partition, -1
		wanted.Partitions = append(wanted.Partitions, one)
	}
	request.Topics = append(request.Topics, wanted)
	response, err := request.RequestWith(context.Background(), client)
	fail(err)
	end := map[int32]int64{}
	for _, partition := range response.Topics[0].Partitions {
		if partition.Offset > 0 {
			end[partition.Partition] = partition.Offset
		}
	}
	return end
}

func transactions(address, source, sink, group, name string) {
	ctx := context.Background()
	producer := transactional(address, name)
	fail(producer.BeginTransaction())
	fail(write(producer, sink, "c", 50))
	fail(producer.EndTransaction(ctx, kgo.TryCommit))
	fail(producer.BeginTransaction())
	fail(write(producer, sink, "a", 50))
	fail(producer.EndTransaction(ctx, kgo.TryAbort))
	producer.Close()
	fence(address, sink, name)
	transform(address, source, sink, group, name)
	committedOffset(address, source, group)
	readAll(address, sink)
}
