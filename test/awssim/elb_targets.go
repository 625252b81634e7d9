package awssim

type targetDescription struct {
	Id               string `check:"required"`
	Port             *int   `check:"min=1,max=65535"`
	AvailabilityZone string
	QuicServerId     unsupported
}

type targetsParams struct {
	TargetGroupArn string              `check:"required"`
	Targets        []targetDescription `check:"required"`
}

type describeTargetHealthParams struct {
	TargetGroupArn string `check:"required"`
	Targets        []targetDescription
	Include        unsupported
}

type targetHealthResult struct {
	Target          targetResult
	HealthCheckPort string
	TargetHealth    targetStateResult

	AdministrativeOverride *targetStateResult
}

type targetResult struct {
	Id               string
	Port             int
	AvailabilityZone string
}

type targetStateResult struct{ State, Reason, Description string }

func targetSpecs(targets []targetDescription) []targetSpec {
	specs := make([]targetSpec, 0, len(targets))
	for _, t := range targets {
		spec := targetSpec{id: t.Id, zone: t.AvailabilityZone}
		set(&spec.port, t.Port)
		specs = append(specs, spec)
	}
	return specs
}

func (s *Sim) registerTargetsLocked(p *targetsParams) (any, error) {
	g, err := s.findTargetGroupLocked(p.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	if g.targetType == "instance" && len(p.Targets) > 0 {
		// The account has no instances.
		return nil, errAPI("InvalidTarget", "The following targets are not valid instances: '%s'", p.Targets[0].Id)
	}
	return struct{}{}, s.registerLocked(g, targetSpecs(p.Targets))
}

func (s *Sim) deregisterTargetsLocked(p *targetsParams) (any, error) {
	g, err := s.findTargetGroupLocked(p.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.deregisterLocked(g, targetSpecs(p.Targets))
}

func (s *Sim) describeTargetHealthLocked(p *describeTargetHealthParams) (any, error) {
	g, err := s.findTargetGroupLocked(p.TargetGroupArn)
	if err != nil {
		return nil, err
	}
	healths, err := s.healthLocked(g, targetSpecs(p.Targets))
	if err != nil {
		return nil, err
	}
	results := make([]targetHealthResult, 0, len(healths))
	for _, h := range healths {
		results = append(results, targetHealthResult{
			Target:          targetResult{h.key.ip.String(), h.key.port, h.zone},
			HealthCheckPort: h.healthCheckPort,
			TargetHealth:    targetStateResult{h.state, h.reason, h.description},

			AdministrativeOverride: s.overrideLocked(h.zone),
		})
	}
	return struct{ TargetHealthDescriptions []targetHealthResult }{results}, nil
}
