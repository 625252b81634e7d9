package awssim

import "time"

// Bucket names one of ELBv2's token buckets.
type Bucket string

// ELBv2's buckets. Each call takes one token of the account's bucket and one of its
// category's.
const (
	AccountBucket      Bucket = "account"
	ReadBucket         Bucket = "non-mutating"
	WriteBucket        Bucket = "mutating"
	RegistrationBucket Bucket = "registration"
	IntensiveBucket    Bucket = "resource-intensive"
)

// rate is a token bucket as AWS publishes it.
type rate struct {
	name   Bucket // empty: each action has its own
	size   float64
	refill float64 // tokens per second
}

// The buckets of the ELBv2 API.
var (
	elbAccountRate      = rate{AccountBucket, 40, 10}
	elbReadRate         = rate{ReadBucket, 40, 10}
	elbWriteRate        = rate{WriteBucket, 20, 3}
	elbRegistrationRate = rate{RegistrationBucket, 20, 4}
	elbIntensiveRate    = rate{IntensiveBucket, 10, 0.2}
	// What AWS calls uncategorized.
	elbTrustCreateRate  = rate{"trust-store-creation", 10, 0.2}
	elbTrustChangeRate  = rate{"trust-store-changes", 10, 0.2}
	elbTrustContentRate = rate{"trust-store-contents", 20, 4}
	elbTrustReadRate    = rate{"trust-store-reads", 40, 10}
)

// The buckets of the EC2 API, where each action has its own.
var (
	ec2ReadRate       = rate{size: 100, refill: 20}
	ec2ScanRate       = rate{size: 50, refill: 10} // unfiltered and unpaginated
	ec2WriteRate      = rate{size: 50, refill: 5}
	ec2PermissionRate = rate{size: 50, refill: 5}
	ec2TagRate        = rate{size: 100, refill: 10}
)

// demand is a bucket that a call takes a token of.
type demand struct {
	bucket string
	rate   rate
}

// demand is a token of one of ELBv2's buckets.
func (r rate) demand() demand { return demand{"elb/" + string(r.name), r} }

// bucket holds the tokens that are left.
type bucket struct {
	tokens float64
	at     time.Time // when tokens was right
}

// fill adds what has come in since b.at. In steps, only whole seconds count.
func (b *bucket) fill(r rate, now time.Time, steps bool) {
	passed := now.Sub(b.at)
	if steps {
		passed = passed.Truncate(time.Second)
	}
	b.tokens = min(r.size, b.tokens+passed.Seconds()*r.refill)
	b.at = b.at.Add(passed)
}

// tokenSlack forgives the rounding of sums of fractions of tokens.
const tokenSlack = 1e-6

// admitLocked takes one token of every bucket, or reports that one was empty. What
// the neighbours took until now is gone by then.
func (s *Sim) admitLocked(now time.Time, demands []demand) bool {
	s.neighboursCallLocked(now)
	return s.takeTokensLocked(now, demands)
}

func (s *Sim) takeTokensLocked(now time.Time, demands []demand) bool {
	var missing int
	for _, d := range demands {
		b, ok := s.buckets[d.bucket]
		if !ok {
			b = &bucket{tokens: d.rate.size, at: now}
			s.buckets[d.bucket] = b
		}
		b.fill(d.rate, now, s.opts.Switches.StepRefill)
		if b.tokens < 1-tokenSlack {
			missing++
		}
	}
	if missing > 0 && !s.opts.Switches.ThrottleConsumesToken {
		return false
	}
	for _, d := range demands {
		b := s.buckets[d.bucket]
		b.tokens = max(0, b.tokens-1)
	}
	return missing == 0
}
