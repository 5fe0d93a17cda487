// The queue as the Node backend uses it: `backend.mjs produce URL JOBS` adds jobs, `backend.mjs work URL SECONDS` takes them.
// Prints one JSON document.
import { Queue, Worker } from 'bullmq'

const [, , verb, url, given] = process.argv
const address = new URL(url)
const connection = { host: address.hostname, port: Number(address.port), maxRetriesPerRequest: null }
const name = 'outbound-calls'
const defaultJobOptions = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 2000 },
  removeOnComplete: { age: 604800, count: 1000 },
  removeOnFail: { age: 2592000 },
}

if (verb === 'produce') {
  const queue = new Queue(name, { connection, defaultJobOptions })
  const added = []
  for (const job of JSON.parse(given)) added.push(await queue.add(job.name, job.data, job.opts))
  console.log(JSON.stringify(added.map((job) => job.id)))
  await queue.close()
} else if (verb === 'read') {
  const queue = new Queue(name, { connection })
  const job = await queue.getJob(given)
  console.log(JSON.stringify({ ...job.toJSON(), state: await job.getState() }))
  await queue.close()
} else {
  const seen = []
  const worker = new Worker(name, async (job) => {
    seen.push({ id: job.id, name: job.name, data: job.data, attempts: job.opts.attempts, priority: job.opts.priority })
    await job.updateProgress(50)
    return { success: true, callSid: `CA${job.id}`.slice(0, 34), to: job.data.to, status: 'queued', lead_id: job.data.lead_id,
      priority: job.data.priority, metadata: job.data.metadata, timestamp: new Date().toISOString() }
  }, { connection, concurrency: 5, limiter: { max: 10, duration: 60000 } })
  await new Promise((resolve) => {
    worker.on('drained', () => seen.length && resolve())
    setTimeout(resolve, Number(given) * 1000)
  })
  await worker.close()
  console.log(JSON.stringify(seen))
}
