// SPDX-License-Identifier: Apache-2.0
// The client program of harness/clients.py on kafkajs.
'use strict'

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs')

// kafkajs itself has gzip; the others are plugged in.
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => {
  // Not lz4js: it writes frames of dependent blocks, which Kafka refuses.
  const lz4 = require('lz4-napi')
  return { compress: encoder => lz4.compressFrame(encoder.buffer), decompress: buffer => lz4.decompressFrame(buffer) }
}
CompressionCodecs[CompressionTypes.ZSTD] = () => {
  const zstd = new Promise(resolve => require('zstd-codec').ZstdCodec.run(found => resolve(new found.Streaming())))
  return {
    compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
    decompress: async buffer => Buffer.from((await zstd).decompress(buffer))
  }
}

const codecs = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }

const say = (...words) => process.stdout.write(words.join(' ') + '\n')

const kafkaAt = address => new Kafka({ brokers: [address], logLevel: logLevel.ERROR, retry: { initialRetryTime: 50 } })

async function produce (address, topic, codec, count, prefix) {
  const producer = kafkaAt(address).producer()
  await producer.connect()
  const messages = []
  for (let n = 0; n < count; n++) messages.push({ key: `k${n}`, value: `${prefix}-${n} ${'weir '.repeat(8)}` })
  for (let n = 0; n < count; n += 200) {
    await producer.send({ topic, compression: codecs[codec], messages: messages.slice(n, n + 200) })
  }
  await producer.disconnect()
  say('OK', count)
}

async function consume (address, topic, groupId, count, offset) {
  const consumer = kafkaAt(address).consumer({
    groupId, sessionTimeout: 6000, rebalanceTimeout: 10000, heartbeatInterval: 500, maxWaitTimeInMs: 100
  })
  consumer.on(consumer.events.GROUP_JOIN, event => {
    const partitions = event.payload.memberAssignment[topic] || []
    say('A', partitions.join(','))
    if (offset !== undefined) for (const partition of partitions) consumer.seek({ topic, partition, offset })
  })
  consumer.on(consumer.events.REBALANCING, () => say('A'))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  let got = 0
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, event => reject(event.payload.error))
    consumer.run({
      autoCommitInterval: 200,
      eachMessage: async ({ partition, message }) => {
        if (count !== undefined && got >= count) return
        if (offset !== undefined && got === 0 && message.offset !== offset) return
        say('R', partition, message.offset, message.key.toString(), message.value.toString().split(' ')[0])
        if (++got === count) resolve()
      }
    }).catch(reject)
  })
  await consumer.disconnect()
}

async function main ([verb, ...rest]) {
  if (verb === 'produce') return produce(rest[0], rest[1], rest[2], Number(rest[3]), rest[4])
  if (verb === 'consume') return consume(rest[0], rest[1], rest[2], Number(rest[3]))
  if (verb === 'replay') return consume(rest[0], rest[1], rest[2], Number(rest[4]), rest[3])
  if (verb === 'member') return consume(...rest)
  throw new Error('usage: see harness/clients.py')
}

main(process.argv.slice(2)).then(() => process.exit(0), error => {
  console.error(error)
  process.exit(1)
})
