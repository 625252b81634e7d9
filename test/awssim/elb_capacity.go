package awssim

import "time"

type capacityParams struct {
	LoadBalancerArn             string `check:"required"`
	MinimumLoadBalancerCapacity *struct {
		CapacityUnits *int `check:"min=1"`
	}
	ResetCapacityReservation *bool
}

type capacityResult struct {
	CapacityReservationState    []zonalCapacity
	DecreaseRequestsRemaining   int
	LastModifiedTime            *time.Time
	MinimumLoadBalancerCapacity *capacityUnits
}

type capacityUnits struct{ CapacityUnits int }

type zonalCapacity struct {
	AvailabilityZone string
	State            struct{ Code string }
}

// minCapacity is the least that can be reserved for an ALB, in capacity units.
const minCapacity = 100

// decreases is how often a day a reservation may become smaller. They are not counted.
const decreases = 2

func (lb *loadBalancer) capacityResult() capacityResult {
	result := capacityResult{DecreaseRequestsRemaining: decreases, CapacityReservationState: []zonalCapacity{}}
	if lb.capacity == 0 {
		return result
	}
	result.MinimumLoadBalancerCapacity = &capacityUnits{lb.capacity}
	result.LastModifiedTime = &lb.capacitySince
	for _, sub := range lb.subnets {
		result.CapacityReservationState = append(result.CapacityReservationState,
			zonalCapacity{sub.zone, struct{ Code string }{"provisioned"}})
	}
	return result
}

func (s *Sim) describeCapacityLocked(p *loadBalancerParams) (any, error) {
	lb, err := s.findLoadBalancerLocked(p.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	return lb.capacityResult(), nil
}

// modifyCapacityLocked keeps a reservation. The data plane has capacity for everything.
func (s *Sim) modifyCapacityLocked(p *capacityParams) (any, error) {
	lb, err := s.findLoadBalancerLocked(p.LoadBalancerArn)
	if err != nil {
		return nil, err
	}
	reset := p.ResetCapacityReservation != nil && *p.ResetCapacityReservation
	wanted := p.MinimumLoadBalancerCapacity
	units := 0
	if wanted != nil {
		set(&units, wanted.CapacityUnits)
	}
	switch {
	case reset == (wanted != nil):
		return nil, errAPI("InvalidConfigurationRequest", "Either a minimum capacity or a reset of the reservation must be specified")
	case !reset && units < minCapacity:
		return nil, errAPI("InvalidConfigurationRequest", "The minimum capacity must be at least %d capacity units", minCapacity)
	}
	lb.capacity, lb.capacitySince = units, time.Now()
	return lb.capacityResult(), nil
}

type ipPoolsParams struct {
	LoadBalancerArn string `check:"required"`
	IpamPools       *struct{ Ipv4IpamPoolId string }
	RemoveIpamPools []string
}

// modifyIPPoolsLocked can only remove: the account has no pool.
func (s *Sim) modifyIPPoolsLocked(p *ipPoolsParams) (any, error) {
	if _, err := s.findLoadBalancerLocked(p.LoadBalancerArn); err != nil {
		return nil, err
	}
	if p.IpamPools != nil && p.IpamPools.Ipv4IpamPoolId != "" {
		return nil, errValidation("The IPAM pool '%s' does not exist", p.IpamPools.Ipv4IpamPoolId)
	}
	return struct {
		IpamPools struct{ Ipv4IpamPoolId string }
	}{}, nil
}
