-- Every flight keeps its row; the weather is null where no reading was made.
select flights.carrier, flights.origin, flights.year, flights.month, flights.day, flights.hour,
       flights.dep_delay, weather.temp, weather.wind_speed, weather.precip, weather.visib
from flights
left join weather using (origin, year, month, day, hour)
order by flights.year, flights.month, flights.day, flights.sched_dep_time, flights.carrier, flights.flight, flights.origin
